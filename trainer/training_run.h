#pragma once
// A whole training run: data and model in, a model directory out. Pretraining and supervised
// fine-tuning differ in what they start from alone. Owns everything; one thread, which runs Train.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "trainer/data/batch_source.h"
#include "trainer/data/shard_builder.h"
#include "trainer/initialise.h"
#include "trainer/log/progress_line.h"
#include "trainer/loss_guard.h"
#include "trainer/minimind_shape.h"
#include "trainer/trainer.h"

namespace tandem {

// What the model writes while it learns.
struct TrainingSampleOptions {
  enum class Prompt : uint8_t { kText, kQuestion };  // a question goes through the chat template

  int64_t every = 0;  // steps; 0: never
  Prompt form = Prompt::kText;
  std::vector<std::string> prompts;  // "": the start of a text
  int64_t max_tokens = 64;           // of each sample
  double temperature = 0.0;          // 0: the likeliest token, always
};

struct TrainingRunOptions {
  // What to start from: a model directory, or a config.json whose weights are drawn at random.
  std::filesystem::path model;
  std::filesystem::path model_config;
  MiniMindShape shape;              // of a new model instead; beside these two it has to agree
  std::filesystem::path tokenizer;  // directory; empty: the model's
  std::string chat_template;        // file or built-in name; empty: the tokenizer's
  InitKind init = InitKind::kNormal;

  std::vector<std::string> data;      // files
  std::vector<std::string> held_out;  // files that are evaluated and never trained on
  std::optional<std::string> separator;
  SampleForm sample_form = SampleForm::kBosTextEos;
  std::optional<TooLong> too_long;
  OnBadLine on_bad_line = OnBadLine::kStop;
  Packing packing = Packing::kFirstFit;

  std::filesystem::path output;  // directory: the model, and the data's shards
  DType dtype = DType::kBf16;    // of the compute weights
  int64_t row_tokens = 512;
  bool row_tokens_are_given = true;  // if not, the model's context where that is less
  int64_t micro_batch_rows = 8;
  int64_t accumulate = 1;  // micro-batches of a step
  double epochs = 1.0;
  int64_t max_steps = 0;  // 0: as many as the epochs have
  TrainerOptions trainer;
  double warmup_share = 0.01;  // of all steps
  uint64_t seed = 42;
  std::string device = "cpu";  // of DeviceNames
  int64_t threads = 0;         // 0: one a processor
  int64_t log_every = 10;
  int64_t eval_every = 0;   // steps between evaluations of held_out; 0: at the end alone
  int64_t eval_tokens = 0;  // of held_out, in each evaluation between steps; 0: all
  TrainingSampleOptions samples;
  std::filesystem::path tensorboard;  // directory for event files; empty: none
  double max_hours = 0.0;             // of this start; 0: as long as it takes
  int64_t save_every = 0;  // steps between checkpoints in `output`; 0: only where it is stopped
  int64_t keep = 2;        // checkpoints
  bool resume = false;     // goes on from the newest checkpoint in `output`, where there is one
  LossGuardOptions guard;
  bool find_not_finite = false;  // TrainingLoopOptions'
};

// Who a run talks to.
struct RunConsole {
  std::ostream& out;  // says how it goes
  ProgressOptions::Form form = ProgressOptions::Form::kPlainLines;
  std::function<int()> columns;                     // of the terminal; null: 80
  std::function<std::optional<int>()> stop_signal;  // that was sent to stop it; null: nobody can
};

struct TrainingResult {
  int64_t num_steps = 0;
  std::optional<double> held_out_loss;  // at the end
  // Set where that ended it: then there is a checkpoint to go on from, and no model.
  std::optional<int> stop_signal;
};

// Trains, logs each step to `output`/log.jsonl (trainer/log), and writes the model, also when
// max_hours ended it. Throws ConfigError (also when `output` has checkpoints and `resume` is not
// set, and when the guard gives up), FormatError (also for bad data) or DeviceError.
TrainingResult RunTraining(const TrainingRunOptions& options, const RunConsole& console);

}  // namespace tandem
