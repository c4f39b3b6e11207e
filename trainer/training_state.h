#pragma once
// What a checkpoint says of a training run beside its tensors: state.json, read and written. Plain
// values and pure functions.
//
// The text is one of a kind: ParseTrainingState accepts exactly what FormatTrainingState writes, so
// a changed or missing byte anywhere is found, also where the value would still make sense.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/data/batch_source.h"
#include "trainer/trainer.h"

namespace tandem {

// A file beside state.json.
struct FileSeal {
  int64_t size_bytes = 0;
  uint64_t xxh64 = 0;
  bool operator==(const FileSeal&) const = default;
};

struct TrainingState {
  int64_t step = 0;                            // Trainer::num_steps
  int64_t optimizer_steps = 0;                 // of them, those that were not skipped
  DataPosition position;                       // where the data goes on
  std::optional<LossScalerState> loss_scaler;  // of a run with loss scaling
  // Everything else that decides the bits of the run, as exact text: "schedule.rate" is "0.0005".
  std::map<std::string, std::string> settings;  // UTF-8
  // What the training loop carries from step to step (trainer/loop_state.h), the same way. Not
  // compared between runs, and not in the file while there is none.
  std::map<std::string, std::string> carried;
  std::string model_config;               // for ParseModelConfig; its keys are sorted
  std::map<std::string, FileSeal> files;  // by plain name
  bool operator==(const TrainingState&) const = default;
};

std::string FormatTrainingState(const TrainingState& state);

// Throws FormatError, naming `where` and everything that is wrong.
TrainingState ParseTrainingState(std::string_view text, const std::string& where);

// The options that decide the arithmetic. max_tokens is only room.
std::map<std::string, std::string> SettingsOf(const TrainerOptions& options);

// A config.json's text as TrainingState has it.
std::string SortedModelConfig(const ModelConfig& config, DType weights);

// "schedule.rate is 0.001 here and was 0.0005" for each setting and each field of the model in
// which a run `now` differs from the one that was saved. Steps, position, what is carried and files
// are not compared.
std::vector<std::string> FindDifferences(const TrainingState& saved, const TrainingState& now);

}  // namespace tandem
