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
#include "engine/text/chat_template.h"
#include "engine/text/tokenizer.h"
#include "engine/weights/export.h"
#include "engine/weights/loader.h"
#include "kernels/core/error.h"
#include "trainer/checkpoint.h"
#include "trainer/data/data_fingerprint.h"
#include "trainer/data/prefetch.h"
#include "trainer/log/jsonl_log.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr size_t kBatchesAhead = 4;

// What a tokenizer is made of, and a chat with it: goes into the trained model's directory.
constexpr const char* kTokenizerFiles[] = {
    "tokenizer.json",      "tokenizer_config.json", "tokenizer.model", "vocab.json",
    "merges.txt",          "encoder.json",          "vocab.bpe",       "special_tokens_map.json",
    "chat_template.jinja", "generation_config.json"};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

ModelConfig ReadConfig(const TrainingRunOptions& options) {
  if (options.model.empty() == options.model_config.empty()) {
    throw ConfigError(
        "give either --model DIR, whose weights are trained on, or --model-config FILE, whose "
        "weights are drawn at random");
  }
  if (!options.model.empty()) return ReadModelConfig(options.model);
  std::ifstream file(options.model_config);
  if (!file) throw ConfigError(Quoted(options.model_config.string()) + " cannot be read");
  std::stringstream text;
  text << file.rdbuf();
  return ParseModelConfig(text.str(), options.model_config.string());
}

void CheckVocabulary(const ModelConfig& config, const Tokenizer& tokenizer) {
  if (tokenizer.vocab_size() <= config.vocab_size) return;
  throw ConfigError(fmt::format(
      "the tokenizer has {} tokens and the model {}: give a model config with vocab_size {}",
      tokenizer.vocab_size(), config.vocab_size, tokenizer.vocab_size()));
}

// The text side of a run: what makes samples of files.
class Data {
 public:
  Data(const TrainingRunOptions& options, ThreadPool& pool)
      : options_(options), pool_(pool), folder_(TokenizerFolder(options)) {
    tokenizer_ = LoadTokenizer(folder_);
    std::optional<ChatTemplate> chat =
        options.chat_template.empty() ? ChatTemplate::FromDirectory(folder_)
                                      : ChatTemplate::FromOption(options.chat_template, folder_);
    if (chat) renderer_.emplace(std::move(*chat));
  }

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const fs::path& folder() const { return folder_; }

  // The micro-batches of some files; says on `out` what is in them.
  std::unique_ptr<ShardBatchSource> Open(const std::vector<std::string>& files, std::ostream& out) {
    const DataInputs inputs{.tokenizer = *tokenizer_,
                            .tokenizer_fingerprint = FingerprintTokenizer(folder_),
                            .renderer = renderer_ ? &*renderer_ : nullptr};
    const ShardOptions shard_options{.samples = {.form = options_.sample_form,
                                                 .max_tokens = options_.row_tokens,
                                                 .too_long = options_.too_long},
                                     .on_bad_line = options_.on_bad_line};
    std::vector<RepeatedShard> shards;
    for (const std::string& file : files) {
      PreparedShard prepared = PrepareShard(inputs, {.path = file, .separator = options_.separator},
                                            shard_options, options_.output / "shards", pool_);
      out << fmt::format("data              {}: {} samples{}\n", Printable(file),
                         FormatCount(prepared.shard.num_samples()),
                         prepared.was_there ? ", tokenised before" : "");
      shards.push_back({.shard = std::move(prepared.shard)});
    }
    return std::make_unique<ShardBatchSource>(
        std::move(shards), BatchOptions{.row_tokens = options_.row_tokens,
                                        .micro_batch_rows = options_.micro_batch_rows,
                                        .packing = options_.packing,
                                        .seed = options_.seed});
  }

 private:
  static fs::path TokenizerFolder(const TrainingRunOptions& options) {
    if (!options.tokenizer.empty()) return options.tokenizer;
    if (!options.model.empty()) return options.model;
    throw ConfigError("a new model needs --tokenizer DIR (tandem-train tokenizer makes one)");
  }

  const TrainingRunOptions& options_;
  ThreadPool& pool_;
  fs::path folder_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::optional<ConversationRenderer> renderer_;
};

int64_t NumSteps(const TrainingRunOptions& options, BatchSource& source) {
  const auto whole = static_cast<int64_t>(options.epochs);
  double micro_batches = 0;
  for (int64_t epoch = 0; epoch < whole; ++epoch) {
    micro_batches += static_cast<double>(source.NumMicroBatches(epoch));
  }
  micro_batches += (options.epochs - static_cast<double>(whole)) *
                   static_cast<double>(source.NumMicroBatches(whole));
  const auto steps =
      static_cast<int64_t>(std::ceil(micro_batches / static_cast<double>(options.accumulate)));
  return std::max<int64_t>(options.max_steps > 0 ? std::min(steps, options.max_steps) : steps, 1);
}

// The mean of -log p over all targets of an epoch.
double Evaluate(Context& context, Trainer& trainer, BatchSource& source) {
  source.Seek({});
  double sum = 0, weight = 0;
  for (int64_t left = source.NumMicroBatches(0); left > 0; --left) {
    const BatchLoss loss = trainer.Evaluate(context, source.Next().batch);
    sum += loss.sum;
    weight += loss.weight;
  }
  return sum / weight;
}

void CopyTokenizer(const fs::path& from, const fs::path& to) {
  for (const char* name : kTokenizerFiles) {
    std::error_code error;
    if (!fs::exists(from / name) || fs::equivalent(from, to, error)) continue;
    fs::copy_file(from / name, to / name, fs::copy_options::overwrite_existing);
  }
}

// Steps since the last line of progress.
struct Window {
  Clock::time_point start = Clock::now();
  double loss = 0;
  int64_t num_steps = 0;
  int64_t num_tokens = 0;

  void Add(const StepReport& report) {
    loss += report.loss;
    num_tokens += report.num_tokens;
    ++num_steps;
  }
  double mean_loss() const { return loss / static_cast<double>(std::max<int64_t>(num_steps, 1)); }
};

void PrintProgress(const StepReport& report, const Window& window, int64_t num_steps,
                   double step_seconds, std::ostream& out) {
  const double speed = static_cast<double>(window.num_tokens) / SecondsSince(window.start);
  const double left = step_seconds * static_cast<double>(num_steps - report.step - 1);
  out << fmt::format(
             "step {:>6} of {}  loss {:.4f}  rate {:.2e}  norm {:.2f}  {:.0f} tokens/s  {} left\n",
             report.step + 1, num_steps, window.mean_loss(), report.rate, report.gradient_norm,
             speed, FormatDuration(std::chrono::milliseconds(static_cast<int64_t>(left) * 1000)))
      << std::flush;
}

class Run {
 public:
  Run(const TrainingRunOptions& options, std::ostream& out)
      : options_(options),
        out_(out),
        pool_(options.threads > 0 ? static_cast<int>(options.threads) : AvailableProcessors()),
        context_{.pool = pool_, .workspace = workspace_},
        config_(ReadConfig(options)),
        data_(options, pool_) {
    CheckVocabulary(config_, data_.tokenizer());
    if (options.row_tokens > config_.max_context()) {
      throw ConfigError(fmt::format("--row-tokens {} is more than the model's context of {}",
                                    options.row_tokens, config_.max_context()));
    }
  }

  TrainingResult Train() {
    fs::create_directories(options_.output);
    auto source = data_.Open(options_.data, out_);
    std::unique_ptr<ShardBatchSource> held_out;
    if (!options_.held_out.empty()) held_out = data_.Open(options_.held_out, out_);
    const int64_t num_steps = NumSteps(options_, *source);
    const RunInputs inputs{.seed = options_.seed,
                           .data_fingerprint = source->fingerprint(),
                           .settings = {{"accumulate", std::to_string(options_.accumulate)},
                                        {"instruction_set", std::string(Name(context_.isa))}}};
    const std::unique_ptr<Trainer> made = MakeTrainer(num_steps);
    Trainer& trainer = *made;
    out_ << fmt::format("model             {} parameters in {}, {} steps of {} x {} tokens\n",
                        FormatCount(config_.num_parameters()), Name(options_.dtype), num_steps,
                        options_.accumulate * options_.micro_batch_rows, options_.row_tokens);
    source->Seek(Resume(trainer, inputs));
    PrefetchingSource batches(std::move(source), kBatchesAhead);
    TrainingResult result = Steps(trainer, batches, inputs, num_steps);
    if (held_out) {
      result.held_out_loss = Evaluate(context_, trainer, *held_out);
      out_ << fmt::format("held out          loss {:.4f}\n", *result.held_out_loss);
    }
    ExportHuggingFace(context_, {.config = config_, .weights = compute_, .dtype = options_.dtype},
                      options_.output);
    CopyTokenizer(data_.folder(), options_.output);
    out_ << fmt::format("written           {}\n", Printable(options_.output.string()));
    return result;
  }

 private:
  std::unique_ptr<Trainer> MakeTrainer(int64_t num_steps) {
    const bool is_new = options_.model.empty();
    compute_ = is_new ? AllocateWeights(config_, options_.dtype)
                      : LoadWeights(context_, ReadSafetensors(options_.model), config_,
                                    options_.dtype, options_.model.string());
    TrainerOptions trainer_options = options_.trainer;
    trainer_options.max_tokens = options_.micro_batch_rows * options_.row_tokens;
    trainer_options.schedule.num_steps = num_steps;
    trainer_options.schedule.warmup_steps =
        static_cast<int64_t>(std::round(options_.warmup_share * static_cast<double>(num_steps)));
    auto trainer = std::make_unique<Trainer>(context_, config_, compute_, trainer_options);
    if (is_new) {
      InitialiseWeights(config_, options_.init, options_.seed, trainer->weights().masters());
      trainer->weights().Publish(context_);
    }
    return trainer;
  }

  // Where the data goes on: at the start, or where the newest checkpoint says.
  DataPosition Resume(Trainer& trainer, const RunInputs& inputs) {
    const FoundCheckpoint found = FindNewestCheckpoint(options_.output);
    if (!options_.resume) {
      if (!found.newest) return {};
      throw ConfigError(fmt::format(
          "{} has a checkpoint of another run: --resume goes on from it, or give another --output",
          Quoted(options_.output.string())));
    }
    for (const std::string& why : found.passed_over) out_ << "passed over       " << why << '\n';
    if (!found.newest) return {};
    RestoreCheckpoint(context_, *found.newest, inputs, trainer);
    out_ << fmt::format("resumed           {}\n", Printable(found.newest->path.string()));
    return found.newest->state.position;
  }

  void Save(Trainer& trainer, const RunInputs& inputs, DataPosition position) {
    SaveCheckpoint(options_.output, trainer, inputs, position);
    KeepCheckpoints(options_.output, options_.keep);
  }

  TrainingResult Steps(Trainer& trainer, BatchSource& batches, const RunInputs& inputs,
                       int64_t num_steps) {
    TrainingResult result;
    const int64_t first_step = result.num_steps = trainer.num_steps();
    JsonlLog log(options_.output / kLogFileName, first_step);
    const auto start = Clock::now();
    Window window;
    std::vector<TrainBatch> micro_batches;
    while (result.num_steps < num_steps) {
      const auto step_start = Clock::now();
      const DataPosition next = Take(batches, micro_batches);
      const StepReport report = trainer.Step(context_, micro_batches);
      log.LogStep(report, std::chrono::duration<double>(Clock::now() - step_start));
      result.num_steps = trainer.num_steps();
      if (options_.save_every > 0 && result.num_steps % options_.save_every == 0) {
        Save(trainer, inputs, next);
      }
      if (report.skipped) {
        out_ << fmt::format("step {:>6} skipped: {}\n", report.step + 1, *report.skipped);
        continue;
      }
      window.Add(report);
      if (result.num_steps % options_.log_every == 0 || result.num_steps == num_steps) {
        const double step_seconds =
            SecondsSince(start) / static_cast<double>(result.num_steps - first_step);
        PrintProgress(report, window, num_steps, step_seconds, out_);
        result.last_loss = window.mean_loss();
        window = {};
      }
    }
    return result;
  }

  // The micro-batches of a step. Returns where the data goes on.
  DataPosition Take(BatchSource& batches, std::vector<TrainBatch>& micro_batches) const {
    micro_batches.clear();
    DataPosition next;
    for (int64_t i = 0; i < options_.accumulate; ++i) {
      PositionedBatch made = batches.Next();
      micro_batches.push_back(std::move(made.batch));
      next = made.next;
    }
    return next;
  }

  const TrainingRunOptions& options_;
  std::ostream& out_;
  ThreadPool pool_;
  Workspace workspace_;
  Context context_;
  ModelConfig config_;
  Data data_;
  ModelWeights compute_;
};

}  // namespace

TrainingResult RunTraining(const TrainingRunOptions& options, std::ostream& out) {
  return Run(options, out).Train();
}

}  // namespace tandem
