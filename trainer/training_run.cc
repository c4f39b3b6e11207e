#include "trainer/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <memory>
#include <ostream>
#include <sstream>

#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "engine/text/tokenizer_files.h"
#include "engine/weights/export.h"
#include "engine/weights/loader.h"
#include "kernels/core/device_memory.h"
#include "kernels/core/error.h"
#include "trainer/data/prefetch.h"
#include "trainer/preflight.h"
#include "trainer/run_data.h"
#include "trainer/run_watch.h"
#include "trainer/training_loop.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr size_t kBatchesAhead = 4;

ModelConfig ReadGivenConfig(const TrainingRunOptions& options) {
  if (!options.model.empty()) return ReadModelConfig(options.model);
  std::ifstream file(options.model_config);
  if (!file) throw ConfigError(Quoted(options.model_config.string()) + " cannot be read");
  std::stringstream text;
  text << file.rdbuf();
  return ParseModelConfig(text.str(), options.model_config.string());
}

ModelConfig ReadConfig(const TrainingRunOptions& options) {
  if (!options.model.empty() && !options.model_config.empty()) {
    throw ConfigError(
        "give either --model DIR, whose weights are trained on, or --model-config FILE, whose "
        "weights are drawn at random");
  }
  if (options.model.empty() && options.model_config.empty()) {
    if (options.shape.is_given()) return ConfigOf(options.shape);
    throw ConfigError(
        "give --model DIR, whose weights are trained on, or --model-config FILE, whose weights are "
        "drawn at random (--hidden_size 768 is minimind-3's own shape)");
  }
  ModelConfig config = ReadGivenConfig(options);
  CheckAgrees(options.shape, config);
  return config;
}

void CheckSizes(const TrainingRunOptions& options, const ModelConfig& config,
                const Tokenizer& tokenizer) {
  if (tokenizer.vocab_size() > config.vocab_size) {
    throw ConfigError(fmt::format(
        "the tokenizer has {} tokens and the model {}: give a model config with vocab_size {}",
        tokenizer.vocab_size(), config.vocab_size, tokenizer.vocab_size()));
  }
  if (options.row_tokens > config.max_context()) {
    throw ConfigError(fmt::format("--row-tokens {} is more than the model's context of {}",
                                  options.row_tokens, config.max_context()));
  }
}

// With rows that fit the model, where nobody said how long they are.
TrainingRunOptions Fitted(TrainingRunOptions options, const ModelConfig& config) {
  if (!options.row_tokens_are_given) {
    options.row_tokens = std::min(options.row_tokens, config.max_context());
  }
  return options;
}

class Run {
 public:
  Run(const TrainingRunOptions& options, const RunConsole& console)
      : console_(console),
        config_(ReadConfig(options)),
        options_(Fitted(options, config_)),
        pool_(options.threads > 0 ? static_cast<int>(options.threads) : AvailableProcessors()),
        device_(FindDevice(options_.device)),
        workspace_(device_),
        stream_(device_),
        context_{
            .pool = pool_, .device = device_, .stream = stream_.handle(), .workspace = workspace_},
        host_context_{.pool = pool_, .workspace = host_workspace_},
        data_(options_, pool_) {
    CheckSizes(options_, config_, data_.tokenizer());
  }

  TrainingResult Train() {
    fs::create_directories(options_.output);
    OpenData();
    MakeTrainer();
    Say("model",
        fmt::format("{} parameters in {}, {} steps of {} x {} tokens",
                    FormatCount(config_.num_parameters()), Name(options_.dtype), num_steps_,
                    options_.accumulate * options_.micro_batch_rows, options_.row_tokens));
    const LoopState state = Resume();
    RunJournal journal(JournalOptions(state), console_.out);
    const std::unique_ptr<RunWatch> watch = MakeWatch(journal);
    TellStart(state, journal);
    PrefetchingSource batches(std::move(source_), kBatchesAhead);
    TrainingLoop loop({.context = context_,
                       .trainer = *trainer_,
                       .batches = batches,
                       .inputs = inputs_,
                       .journal = journal,
                       .stop_signal = console_.stop_signal,
                       .actions = watch->Actions()},
                      LoopOptions(), state);
    const LoopEnd end = loop.Run();
    TrainingResult result{.num_steps = trainer_->num_steps()};
    if (end == LoopEnd::kSignal) {
      result.stop_signal = console_.stop_signal();
      return result;
    }
    Finish(*watch, result);
    return result;
  }

 private:
  // Sets all that is of the data, and says what it, memory and settings look like together.
  void OpenData() {
    OpenedData opened = data_.Open(options_.data, console_.out);
    source_ = std::move(opened.source);
    OpenedData held_out;
    if (!options_.held_out.empty()) {
      held_out = data_.Open(options_.held_out, console_.out);
      held_out_ = std::move(held_out.source);
    } else if (options_.eval_every > 0) {
      throw ConfigError("--eval-every needs data to evaluate: give --held-out FILE");
    }
    num_steps_ = NumSteps(options_, *source_);
    inputs_ = DescribeInputs();
    LookBeforeStart({.options = options_,
                     .config = config_,
                     .tokenizer = data_.tokenizer(),
                     .source = *source_,
                     .documents = opened.documents,
                     .held_out = held_out.documents,
                     .num_steps = num_steps_,
                     .warmup_steps = WarmupSteps()},
                    console_.out);
  }

  RunInputs DescribeInputs() const {
    const LossGuardOptions& guard = options_.guard;
    return {.seed = options_.seed,
            .data_fingerprint = source_->fingerprint(),
            .settings = {{"accumulate", std::to_string(options_.accumulate)},
                         {"instruction_set", ReportOf(device_).architecture},
                         {"guard.spike_z", fmt::to_string(guard.spike_z)},
                         {"guard.spike_patience", fmt::to_string(guard.spike_patience)},
                         {"guard.rate_factor", fmt::to_string(guard.rate_factor)},
                         {"guard.max_rollbacks", fmt::to_string(guard.max_rollbacks)}}};
  }

  int64_t WarmupSteps() const {
    return static_cast<int64_t>(
        std::round(options_.warmup_share * static_cast<double>(num_steps_)));
  }

  std::unique_ptr<RunWatch> MakeWatch(RunJournal& journal) {
    auto watch = std::make_unique<RunWatch>(
        RunWatchParts{.context = context_, .trainer = *trainer_, .journal = journal}, options_);
    if (held_out_) watch->EvaluateOn(std::move(held_out_));
    if (runner_) watch->SampleWith(*runner_, data_);
    return watch;
  }

  void MakeTrainer() {
    const bool is_new = options_.model.empty();
    compute_ = MoveToDevice(
        context_, is_new ? AllocateWeights(config_, options_.dtype)
                         : LoadWeights(host_context_, ReadSafetensors(options_.model), config_,
                                       options_.dtype, options_.model.string()));
    if (options_.samples.every > 0) {
      runner_ = MakeSamplingRunner(config_, std::move(compute_), device_, options_.row_tokens,
                                   static_cast<int>(options_.threads));
    }
    TrainerOptions trainer_options = options_.trainer;
    trainer_options.max_tokens = options_.micro_batch_rows * options_.row_tokens;
    if (options_.dtype == DType::kF16) trainer_options.loss_scaling.emplace();
    trainer_options.dropout_seed = options_.seed;
    trainer_options.schedule.num_steps = num_steps_;
    trainer_options.schedule.warmup_steps = WarmupSteps();
    trainer_ = std::make_unique<Trainer>(context_, config_, Weights(), trainer_options);
    if (!is_new) return;
    ModelTensors<Tensor>& masters = trainer_->weights().masters();
    ModelTensors<Tensor> drawn = ZeroTensors(masters, kCpuDevice);
    InitialiseWeights(config_, options_.init, options_.seed, drawn);
    CopyTensors(context_, drawn, masters);
    Synchronize(context_);  // before `drawn` goes
    trainer_->weights().Publish(context_);
  }

  ModelWeights& Weights() { return runner_ ? runner_->weights() : compute_; }

  // Puts trainer and data where the newest checkpoint says, or leaves them at the start.
  LoopState Resume() {
    const FoundCheckpoint found = FindNewestCheckpoint(options_.output);
    if (!options_.resume && found.newest) {
      throw ConfigError(fmt::format(
          "{} has a checkpoint of another run: --resume goes on from it, or give another --output",
          Quoted(options_.output.string())));
    }
    if (options_.resume) {
      for (const std::string& why : found.passed_over) Say("passed over", why);
    }
    LoopState state;
    if (found.newest) {
      const std::string path = Printable(found.newest->path.string());
      state = ParseLoopState(found.newest->state.carried, path);
      RestoreCheckpoint(context_, *found.newest, inputs_, *trainer_);
      source_->Seek(found.newest->state.position);
      Say("resumed", path);
    }
    if (state.run_id.empty()) state.run_id = NewRunId();
    return state;
  }

  RunJournalOptions JournalOptions(const LoopState& state) const {
    return {.output = options_.output,
            .tensorboard = options_.tensorboard,
            .run_id = state.run_id,
            .progress = {.form = console_.form,
                         .columns = console_.columns,
                         .first_step = trainer_->num_steps(),
                         .total_steps = num_steps_,
                         .steps_per_plain_line = options_.log_every}};
  }

  void TellStart(const LoopState& state, RunJournal& journal) const {
    const int64_t first_step = trainer_->num_steps();
    journal.Tell("run", state.run_id);
    journal.Event(std::max<int64_t>(first_step - 1, 0), first_step > 0 ? "resumed" : "started",
                  "run " + state.run_id);
  }

  TrainingLoopOptions LoopOptions() const {
    TrainingLoopOptions loop{.output = options_.output,
                             .num_steps = num_steps_,
                             .accumulate = options_.accumulate,
                             .save_every = options_.save_every,
                             .keep = options_.keep,
                             .guard = options_.guard,
                             .find_not_finite = options_.find_not_finite,
                             .deadline = std::nullopt};
    if (options_.max_hours > 0.0) {
      const std::chrono::duration<double, std::ratio<3600>> hours(options_.max_hours);
      loop.deadline = start_ + std::chrono::duration_cast<Clock::duration>(hours);
    }
    return loop;
  }

  void Finish(RunWatch& watch, TrainingResult& result) {
    result.held_out_loss = watch.LookAtTheEnd();
    ExportHuggingFace(context_, {.config = config_, .weights = Weights(), .dtype = options_.dtype},
                      options_.output);
    CopyTokenizerFiles(data_.tokenizer_folder(), options_.output);
    Say("written", Printable(options_.output.string()));
  }

  void Say(std::string_view what, std::string_view text) const {
    console_.out << fmt::format("{:<17} {}\n", what, text) << std::flush;
  }

  const RunConsole& console_;
  const ModelConfig config_;
  const TrainingRunOptions options_;
  const Clock::time_point start_ = Clock::now();
  ThreadPool pool_;
  const Device device_;
  Workspace workspace_;
  Stream stream_;
  Context context_;
  Workspace host_workspace_;
  Context host_context_;  // for what is done on the host: reading and packing weights
  RunData data_;
  std::unique_ptr<ShardBatchSource> source_;    // until the loop gets it
  std::unique_ptr<ShardBatchSource> held_out_;  // until the watch gets it; null: nothing is
  int64_t num_steps_ = 0;
  RunInputs inputs_;
  ModelWeights compute_;                 // while there is no runner that has them
  std::unique_ptr<ModelRunner> runner_;  // for samples; null: there are none
  std::unique_ptr<Trainer> trainer_;
};

}  // namespace

TrainingResult RunTraining(const TrainingRunOptions& options, const RunConsole& console) {
  return Run(options, console).Train();
}

}  // namespace tandem
