#pragma once
// What the training loop carries from step to step, as TrainingState::carried has it: exact text by
// name. Plain values and pure functions.

#include <map>
#include <string>

#include "trainer/loss_guard.h"

namespace tandem {

struct LoopState {
  std::string run_id;  // the same in all that a run writes, also after a resume
  LossGuardState guard;
  // The checkpoint was saved because somebody stopped the run, not when its time had come. Rolling
  // back never uses it: a run that is never stopped does not have it.
  bool is_of_a_stop = false;
};

std::map<std::string, std::string> FormatLoopState(const LoopState& state);

// What is missing is as in a new run. Throws FormatError, naming `where`.
LoopState ParseLoopState(const std::map<std::string, std::string>& carried,
                         const std::string& where);

// A new run's: time and chance, in letters, digits and '-'.
std::string NewRunId();

}  // namespace tandem
