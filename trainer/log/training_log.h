#pragma once
// Where a training run tells what it does. The loop owns its logs and calls them between steps, on
// one thread. What a log writes is readable as soon as a call returns.

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "trainer/trainer.h"

namespace tandem {

struct EvaluationValue {
  std::string name;  // "loss"; each is of one evaluation only once
  double value = 0.0;
};

class TrainingLog {
 public:
  using Seconds = std::chrono::duration<double>;

  virtual ~TrainingLog() = default;

  // `duration` is that of the whole step, with the wait for its data.
  virtual void LogStep(const StepReport& report, Seconds duration) = 0;
  // Evaluations and events between two steps carry the number of the step before them, so that a
  // resume after it leaves them alone.
  virtual void LogEvaluation(int64_t step, std::span<const EvaluationValue> values) = 0;
  // `event` is a word of ours ("checkpoint"); `reason` may come from outside, or be empty.
  virtual void LogEvent(int64_t step, std::string_view event, std::string_view reason) = 0;
};

// 0 when no time has passed.
inline double TokensPerSecond(int64_t num_tokens, TrainingLog::Seconds duration) {
  return duration.count() > 0.0 ? static_cast<double>(num_tokens) / duration.count() : 0.0;
}

}  // namespace tandem
