#include "trainer/cli/train_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <iostream>
#include <optional>
#include <ostream>
#include <utility>

#include "engine/base/device_setting.h"
#include "engine/base/terminal.h"
#include "kernels/core/error.h"
#include "trainer/cli/commands.h"
#include "trainer/stop_request.h"

namespace tandem {
namespace {

constexpr int kExitOfSignal = 128;  // plus its number, as shells have it

void AddModelSettings(Settings& settings, TrainingRunOptions& options) {
  settings.Add("model", &options.model,
               {.help = "model directory to go on from", .value_name = "DIR", .group = "model"});
  settings.Add("model-config", &options.model_config,
               {.help = "config.json of a new model", .value_name = "FILE", .group = "model"});
  settings.Add("tokenizer", &options.tokenizer,
               {.help = "directory of the tokenizer; default: the model's",
                .value_name = "DIR",
                .group = "model"});
  settings.Add("chat-template", &options.chat_template,
               {.help = "file, or \"chatml\"; default: the tokenizer's", .group = "model"});
  settings.AddChoice("init", &options.init,
                     {{"normal", InitKind::kNormal}, {"pytorch", InitKind::kPyTorch}},
                     {.help = "first weights of a new model: N(0, 0.02), or PyTorch's defaults",
                      .group = "model"});
  settings.AddChoice(
      "dtype", &options.dtype,
      {{"f32", DType::kF32},
       {"bf16", DType::kBf16},
       {"fp16", DType::kF16},
       {"float32", DType::kF32},
       {"bfloat16", DType::kBf16},
       {"float16", DType::kF16}},
      {.help = "of the weights that compute; masters are always f32", .group = "model"});
  settings.Add("output", &options.output,
               {.help = "directory for the trained model",
                .value_name = "DIR",
                .required = true,
                .group = "model"});
}

void AddDataSettings(Settings& settings, TrainingRunOptions& options) {
  settings.AddPositional("data", &options.data,
                         {.help = "*.jsonl with \"text\" or \"conversations\", or plain text",
                          .value_name = "FILE",
                          .required = true,
                          .group = "data"});
  settings.Add("held-out", &options.held_out,
               {.help = "evaluated, never trained on", .value_name = "FILE", .group = "data"});
  settings.Add(
      "separator", &options.separator,
      {.help = "line between documents of plain text; without it a file is one", .group = "data"});
  settings.AddChoice("sample-form", &options.sample_form,
                     {{"bos_text_eos", SampleForm::kBosTextEos}, {"text", SampleForm::kText}},
                     {.help = "of texts", .group = "data"});
  settings.AddChoice("on-bad-line", &options.on_bad_line,
                     {{"stop", OnBadLine::kStop}, {"skip", OnBadLine::kSkip}},
                     {.help = "stop after listing all of them, or go on without", .group = "data"});
  settings.AddChoice("packing", &options.packing,
                     {{"first-fit", Packing::kFirstFit}, {"none", Packing::kNone}},
                     {.help = "samples that share a row, or one a row", .group = "data"});
  settings.Add("row-tokens", &options.row_tokens,
               {.help = "of a row, and at most of a sample; when not given, the model's context "
                        "where that is less",
                .min = 3,
                .max = 1 << 20,
                .group = "data"});
  settings.AddChoice("too-long", &options.too_long,
                     {{"auto", std::nullopt},
                      {"refuse", TooLong::kRefuse},
                      {"cut", TooLong::kCut},
                      {"split", TooLong::kSplit}},
                     {.help = "samples longer than --row-tokens: bad lines, their beginning, or "
                              "several (texts only); auto: plain text is split, the rest refused",
                      .group = "data"});
}

void AddStepSettings(Settings& settings, TrainingRunOptions& options) {
  TrainerOptions& trainer = options.trainer;
  settings.Add("rows", &options.micro_batch_rows,
               {.help = "rows of a micro-batch", .min = 1, .max = 65536, .group = "steps"});
  settings.Add("accumulate", &options.accumulate,
               {.help = "micro-batches of a step", .min = 1, .max = 65536, .group = "steps"});
  settings.Add("epochs", &options.epochs,
               {.help = "passes over the data", .above = 0.0, .group = "steps"});
  settings.Add("max-steps", &options.max_steps,
               {.help = "at most; 0: as many as the epochs have", .min = 0, .group = "steps"});
  settings.Add("learning-rate", &trainer.schedule.rate,
               {.help = "at its peak", .max = 10.0, .above = 0.0, .group = "steps"});
  settings.AddChoice("schedule", &trainer.schedule.kind,
                     {{"cosine", ScheduleKind::kCosine},
                      {"cosine_minimind2", ScheduleKind::kCosineMiniMind2},
                      {"wsd", ScheduleKind::kWsd},
                      {"linear", ScheduleKind::kLinear},
                      {"constant", ScheduleKind::kConstant}},
                     {.help = "of the learning rate", .group = "steps"});
  settings.Add("warmup-share", &options.warmup_share,
               {.help = "of the steps", .min = 0.0, .max = 1.0, .group = "steps"});
  settings.AddChoice(
      "optimizer", &trainer.optimizer.kind,
      {{"adamw", OptimizerKind::kAdamW}, {"muon", OptimizerKind::kMuon}},
      {.help = "muon: of the matrices of attention, feed-forward blocks and experts; "
               "adamw trains the others then",
       .group = "steps"});
  settings.Add("weight-decay", &trainer.optimizer.decay,
               {.help = "of matrices", .min = 0.0, .max = 10.0, .group = "steps"});
  settings.AddChoice("decay-group", &trainer.optimizer.decay_group,
                     {{"matrices", DecayGroup::kMatrices}, {"all", DecayGroup::kAll}},
                     {.help = "what decays; all: norms and the embedding too", .group = "steps"});
  settings.Add("beta1", &trainer.optimizer.beta1,
               {.help = "AdamW's", .min = 0.0, .max = 0.9999, .group = "steps"});
  settings.Add("beta2", &trainer.optimizer.beta2,
               {.help = "AdamW's", .min = 0.0, .max = 0.999999, .group = "steps"});
  settings.Add("max-norm", &trainer.optimizer.max_norm,
               {.help = "gradients are clipped to; 0: never", .min = 0.0, .group = "steps"});
  settings.AddChoice("loss-mean", &trainer.loss_mean,
                     {{"tokens", LossMean::kTokens}, {"micro-batches", LossMean::kMicroBatches}},
                     {.help = "what a step's loss is the mean over", .group = "steps"});
  settings.AddChoice(
      "checkpoint-activations", &trainer.checkpoint_activations,
      {{"none", ActivationCheckpoints::kNone}, {"layer", ActivationCheckpoints::kLayer}},
      {.help = "layer: keeps each layer's input alone and computes the rest twice; less "
               "memory, the same bits",
       .group = "steps"});
  settings.Add(
      "dropout", &trainer.dropout,
      {.help = "share of values dropped: after the embedding, of attention's probabilities "
               "(which makes attention slow), after o_proj and down_proj",
       .min = 0.0,
       .max = 0.95,
       .group = "steps"});
  settings.Add("seed", &options.seed, {.help = "of weights and order", .group = "steps"});
  AddDeviceSetting(settings, &options.device,
                   {.help = "where it trains; auto: the fastest that is there; its bits are its "
                            "own, so a run stays on one",
                    .group = "steps"});
  settings.Add("threads", &options.threads,
               {.help = "0: one a processor", .min = 0, .max = 1024, .group = "steps"});
}

void AddRunSettings(Settings& settings, TrainingRunOptions& options) {
  constexpr char kGroup[] = "run";
  settings.Add("save-every", &options.save_every,
               {.help = "steps between checkpoints; 0: only where the run is stopped",
                .min = 0,
                .group = kGroup});
  settings.Add("keep", &options.keep,
               {.help = "checkpoints, the newest", .min = 1, .max = 1000, .group = kGroup});
  settings.Add("resume", &options.resume,
               {.help = "go on from the newest checkpoint in --output", .group = kGroup});
  settings.Add("max-hours", &options.max_hours,
               {.help = "then it saves and writes the model as it is; 0: no limit",
                .min = 0.0,
                .max = 1e5,
                .group = kGroup});
  settings.Add("log-every", &options.log_every,
               {.help = "steps between lines of progress, where that is not a terminal",
                .min = 1,
                .max = 1 << 20,
                .group = kGroup});
  settings.Add("eval-every", &options.eval_every,
               {.help = "steps between evaluations of --held-out; 0: at the end alone",
                .min = 0,
                .group = kGroup});
  settings.Add("eval-tokens", &options.eval_tokens,
               {.help = "of --held-out, in each of these; 0: all", .min = 0, .group = kGroup});
  settings.Add("sample-every", &options.samples.every,
               {.help = "steps between samples of what the model writes; 0: none",
                .min = 0,
                .group = kGroup});
  settings.Add("sample-prompt", &options.samples.prompts,
               {.help = "that samples go on from; repeatable", .group = kGroup});
  settings.Add("sample-tokens", &options.samples.max_tokens,
               {.help = "at most, of a sample", .min = 1, .max = 1 << 20, .group = kGroup});
  settings.Add("sample-temperature", &options.samples.temperature,
               {.help = "0: always the likeliest token", .min = 0.0, .max = 2.0, .group = kGroup});
  settings.Add("tensorboard", &options.tensorboard,
               {.help = "where to write event files", .value_name = "DIR", .group = kGroup});
}

void AddGuardSettings(Settings& settings, TrainingRunOptions& options) {
  LossGuardOptions& guard = options.guard;
  constexpr char kGroup[] = "guards";
  settings.Add("spike-z", &guard.spike_z,
               {.help = "robust deviations above earlier losses that are a spike; 0: none is",
                .min = 0.0,
                .group = kGroup});
  settings.Add("spike-patience", &guard.spike_patience,
               {.help = "spikes in a row that roll the run back",
                .min = 1,
                .max = kLossWindow / 2,
                .group = kGroup});
  settings.Add(
      "spike-rate-factor", &guard.rate_factor,
      {.help = "on the learning rate at each rollback", .min = 0.01, .max = 1.0, .group = kGroup});
  settings.Add("find-nan", &options.find_not_finite,
               {.help = "stop at a step that is not finite, and say where that comes from",
                .group = kGroup});
  settings.Add("max-rollbacks", &guard.max_rollbacks,
               {.help = "before the run gives up", .min = 0, .max = 100, .group = kGroup});
}

// What MiniMind's scripts are started with.
void AddMiniMindNames(Settings& settings, TrainingRunOptions& options) {
  constexpr std::pair<const char*, const char*> kAliases[] = {{"batch_size", "rows"},
                                                              {"learning_rate", "learning-rate"},
                                                              {"accumulation_steps", "accumulate"},
                                                              {"grad_clip", "max-norm"},
                                                              {"log_interval", "log-every"},
                                                              {"save_interval", "save-every"},
                                                              {"max_seq_len", "row-tokens"},
                                                              {"data_path", "data"},
                                                              {"save_dir", "output"},
                                                              {"from_resume", "resume"}};
  for (const auto& [name, of] : kAliases) {
    settings.AddAlias(name, of);
  }
  settings.AddAlias("from_weight", "model", {{"none", ""}});
  constexpr char kShape[] = "MiniMind's shape, of a new model without --model-config";
  settings.Add("hidden_size", &options.shape.hidden_size,
               {.help = "768 unless given", .min = 16, .max = 1 << 16, .group = kShape});
  settings.Add("num_hidden_layers", &options.shape.num_layers,
               {.help = "8 unless given", .min = 1, .max = 1 << 10, .group = kShape});
  settings.Add("use_moe", &options.shape.use_moe,
               {.help = "1: four experts, one a token", .min = 0, .max = 1, .group = kShape});
  constexpr char kIgnored[] = "taken, and change nothing here";
  settings.AddIgnored("num_workers", Setting::Kind::kValue,
                      {.help = "data is tokenised once, by all threads", .group = kIgnored});
  settings.AddIgnored("use_compile", Setting::Kind::kValue,
                      {.help = "it always is", .group = kIgnored});
  settings.AddIgnored("use_wandb", Setting::Kind::kSwitch,
                      {.help = "log.jsonl and --tensorboard are there", .group = kIgnored});
  settings.AddIgnored("wandb_project", Setting::Kind::kValue,
                      {.help = "likewise", .group = kIgnored});
}

// On a terminal the program's own output is a line that is rewritten.
RunConsole MakeConsole(const CommandLine& line, const StopRequest& stop) {
  RunConsole console{.out = line.out, .columns = {}, .stop_signal = [&] { return stop.signal(); }};
  if (&line.out != &std::cout || !IsTerminal(STDOUT_FILENO)) return console;
  console.form = ProgressOptions::Form::kRewritten;
  console.columns = [] { return TerminalColumns(STDOUT_FILENO, 80); };
  return console;
}

int Train(const CommandLine& line, Settings& settings, TrainingRunOptions& options) {
  AddTrainingSettings(settings, options);
  IgnoreOtherTrainCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  options.row_tokens_are_given = settings.IsSet("row-tokens");
  if (const auto ignored = settings.IgnoredNames(); !ignored.empty()) {
    line.out << fmt::format("{:<17} --{}\n", "changes nothing", fmt::join(ignored, ", --"));
  }
  const StopRequest stop;
  const TrainingResult result = RunTraining(options, MakeConsole(line, stop));
  return result.stop_signal ? kExitOfSignal + *result.stop_signal : 0;
}

}  // namespace

void AddTrainingSettings(Settings& settings, TrainingRunOptions& options) {
  AddDataSettings(settings, options);
  AddModelSettings(settings, options);
  AddStepSettings(settings, options);
  AddRunSettings(settings, options);
  AddGuardSettings(settings, options);
  AddMiniMindNames(settings, options);
}

int Pretrain(const CommandLine& line) {
  TrainingRunOptions options;
  options.samples.prompts = {""};  // the start of a text
  Settings settings("tandem-train pretrain", "Trains a model to continue text.");
  return Train(line, settings, options);
}

int SupervisedFineTuning(const CommandLine& line) {
  TrainingRunOptions options;
  options.trainer.schedule.rate = 1e-4;
  options.samples.form = TrainingSampleOptions::Prompt::kQuestion;
  options.samples.prompts = {"Who are you?"};
  Settings settings("tandem-train sft", "Trains a model to answer, on conversations.");
  return Train(line, settings, options);
}

}  // namespace tandem
