#include "trainer/cli/evaluate.h"

#include <fmt/format.h>

#include <ostream>
#include <utility>

#include "engine/base/atomic_file.h"
#include "engine/base/device_setting.h"
#include "engine/base/printable.h"
#include "engine/text/chat_template.h"
#include "kernels/core/devices.h"
#include "kernels/core/error.h"
#include "trainer/cli/commands.h"
#include "trainer/evaluation/evaluation_report.h"

namespace tandem {
namespace {

using DTypeChoices = std::vector<std::pair<std::string, DType>>;

DTypeChoices WeightChoices() {
  return {
      {"f32", DType::kF32}, {"bf16", DType::kBf16}, {"fp16", DType::kF16}, {"int8", DType::kI8}};
}

std::string NameOf(DType dtype) {
  for (const auto& [name, value] : WeightChoices()) {
    if (value == dtype) return name;
  }
  return std::string(Name(dtype));
}

void AddModelSettings(Settings& settings, EvaluateOptions& options) {
  settings.Add(
      "model", &options.model,
      {.help = "model directory", .value_name = "DIR", .required = true, .group = "model"});
  settings.AddChoice("dtype", &options.dtype, WeightChoices(),
                     {.help = "of the weights that compute", .group = "model"});
  settings.Add("compare", &options.compare,
               {.help = "a second model, in a column of its own; default: the same one, in another "
                        "dtype or with another scaling",
                .value_name = "DIR",
                .group = "model"});
  settings.AddChoice("compare-dtype", &options.compare_dtype, WeightChoices(),
                     {.help = "of the second model", .group = "model"});
  settings.Add("rope-scaling", &options.rope_scaling,
               {.help = "replaces the model's own: none, linear:factor=2, yarn:factor=4, ...",
                .group = "model"});
  settings.Add("compare-rope-scaling", &options.compare_rope_scaling,
               {.help = "of the second model", .group = "model"});
  settings.Add("chat-template", &options.chat_template,
               {.help = "file, or \"chatml\"; default: the model's", .group = "model"});
}

void AddTextSettings(Settings& settings, EvaluateOptions& options) {
  settings.AddPositional("data", &options.files,
                         {.help = "*.jsonl with \"text\" or \"conversations\", or plain text",
                          .value_name = "FILE",
                          .group = "data"});
  settings.Add(
      "separator", &options.separator,
      {.help = "line between documents of plain text; without it a file is one", .group = "data"});
  settings.AddChoice("on-bad-line", &options.on_bad_line,
                     {{"stop", OnBadLine::kStop}, {"skip", OnBadLine::kSkip}},
                     {.help = "stop at it, or go on without and count it", .group = "data"});
  settings.Add("context", &options.texts.context,
               {.help = "tokens of a window; 0: the model's context", .min = 0, .group = "data"});
  settings.Add(
      "stride", &options.texts.stride,
      {.help = "tokens between the begins of two windows of a long text; 0: windows do not "
               "overlap",
       .min = 0,
       .group = "data"});
}

void AddChoiceSettings(Settings& settings, EvaluateOptions& options) {
  settings.Add("choices", &options.choices,
               {.help = "multiple-choice questions: *.jsonl with question, choices and answer (an "
                        "index), or OpenTriviaQA's text",
                .value_name = "FILE",
                .group = "choices"});
  settings.AddChoice(
      "choice-form", &options.choice_form,
      {{"text", ChoiceForm::kText}, {"chat", ChoiceForm::kChat}},
      {.help = "\"Question: ... Answer: ...\", or turns of the chat template", .group = "choices"});
}

std::optional<ConversationRenderer> Renderer(const EvaluateOptions& options,
                                             const std::filesystem::path& model) {
  std::optional<ChatTemplate> chat = options.chat_template.empty()
                                         ? ChatTemplate::FromDirectory(model)
                                         : ChatTemplate::FromOption(options.chat_template, model);
  if (!chat) return std::nullopt;
  return ConversationRenderer(std::move(*chat));
}

// A model with the dtype to compute in: one column.
struct Candidate {
  std::filesystem::path model;
  DType dtype = DType::kBf16;
  std::string rope_scaling;
};

std::vector<Candidate> Candidates(const EvaluateOptions& options, const Settings& settings) {
  std::vector<Candidate> candidates = {{options.model, options.dtype, options.rope_scaling}};
  const bool has_dtype = settings.IsSet("compare-dtype");
  if (options.compare || has_dtype || options.compare_rope_scaling) {
    candidates.push_back({options.compare.value_or(options.model),
                          has_dtype ? options.compare_dtype : options.dtype,
                          options.compare_rope_scaling.value_or(options.rope_scaling)});
  }
  return candidates;
}

// What would otherwise be found only after the first model was evaluated.
void CheckCandidate(const EvaluateOptions& options, const Candidate& candidate) {
  ModelConfig config = ReadModelConfig(candidate.model);
  if (!candidate.rope_scaling.empty()) ApplyRopeScaling(candidate.rope_scaling, config);
  CheckWindows(options.texts, config.max_context());
  const int64_t num_tokens = LoadTokenizer(candidate.model)->vocab_size();
  if (num_tokens <= config.vocab_size) return;
  throw ConfigError(
      fmt::format("the tokenizer in {} has {} tokens, the model {}: they do not belong together",
                  Quoted(candidate.model.string()), num_tokens, config.vocab_size));
}

ModelEvaluation EvaluateModel(const EvaluateOptions& options, const Candidate& candidate) {
  const auto& [model, dtype, rope_scaling] = candidate;
  const std::unique_ptr<const Tokenizer> tokenizer = LoadTokenizer(model);
  const std::optional<ConversationRenderer> renderer = Renderer(options, model);
  SequenceScorer scorer(model, {.dtype = dtype,
                                .device = FindDevice(options.device),
                                .max_step_tokens = options.batch_tokens,
                                .threads = options.threads,
                                .rope_scaling = rope_scaling});
  const int64_t context = options.texts.context > 0 ? options.texts.context : scorer.max_context();
  ModelEvaluation evaluation{
      .model = model.string(),
      .dtype = NameOf(dtype),
      .rope_scaling = rope_scaling.empty() ? "the model's" : rope_scaling,
      .num_parameters = scorer.config().num_parameters(),
      .context = context,
      .stride = options.texts.stride > 0 ? options.texts.stride : context - 1};
  const EvaluationInputs inputs{
      .tokenizer = *tokenizer, .renderer = renderer ? &*renderer : nullptr, .scorer = scorer};
  for (const std::string& file : options.files) {
    evaluation.texts.push_back(
        EvaluateText(inputs, {.path = file, .separator = options.separator}, options.texts));
  }
  for (const std::string& file : options.choices) {
    evaluation.choices.push_back(EvaluateChoices(
        inputs, file, {.form = options.choice_form, .on_bad_line = options.on_bad_line}));
  }
  return evaluation;
}

}  // namespace

void AddEvaluateSettings(Settings& settings, EvaluateOptions& options) {
  AddModelSettings(settings, options);
  AddTextSettings(settings, options);
  AddChoiceSettings(settings, options);
  settings.Add("json", &options.json,
               {.help = "writes the figures there too", .value_name = "FILE"});
  settings.Add("batch-tokens", &options.batch_tokens,
               {.help = "of one forward pass; bounds the memory, changes no figure",
                .min = 16,
                .max = 1 << 20});
  AddDeviceSetting(settings, &options.device,
                   {.help = "where the models run; auto: the fastest that is there; the figures "
                            "of each are its own"});
  settings.Add("threads", &options.threads,
               {.help = "0: one a processor. The figures are the same", .min = 0, .max = 1024});
}

int Evaluate(const CommandLine& line) {
  EvaluateOptions options;
  Settings settings("tandem-train evaluate", "Tells how well models predict held-out data.");
  AddEvaluateSettings(settings, options);
  IgnoreOtherTrainCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  if (options.files.empty() && options.choices.empty())
    throw ConfigError("nothing to evaluate on: give files of held-out data, or --choices");
  options.texts.on_bad_line = options.on_bad_line;
  const std::vector<Candidate> candidates = Candidates(options, settings);
  for (const Candidate& candidate : candidates) CheckCandidate(options, candidate);
  std::vector<ModelEvaluation> models;
  for (const Candidate& candidate : candidates) {
    models.push_back(EvaluateModel(options, candidate));
  }
  line.out << EvaluationTable(models);
  if (!options.json.empty()) {
    WriteFileAtomically(options.json, EvaluationJson(models));
    line.out << fmt::format("written           {}\n", Printable(options.json.string()));
  }
  return 0;
}

}  // namespace tandem
