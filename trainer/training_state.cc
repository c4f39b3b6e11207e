#include "trainer/training_state.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "engine/base/json.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"
#include "trainer/data/hash64.h"

namespace tandem {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int64_t kFormatVersion = 1;
constexpr JsonLimits kLimits{.max_depth = 8, .max_bytes = size_t{1} << 20, .max_values = 20'000};
// Beyond any run, and far enough from the end of int64_t to count on.
constexpr IntRange kCounts{.min = 0, .max = int64_t{1} << 53};
constexpr IntRange kSizes{.min = 0};

std::string Hex(uint64_t number) { return fmt::format("{:016x}", number); }

std::optional<uint64_t> ParseHex(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A name that messages may have as it is; anything else is a problem of `field`.
bool IsShowable(const std::string& name, std::string_view field, JsonFields& fields) {
  if (!name.empty() && Printable(name, 200) == name) return true;
  fields.AddProblem(field, "has the name " + Quoted(name, 100));
  return false;
}

// The strings of the object `field`; none where it is missing.
std::map<std::string, std::string> ReadTexts(JsonFields& fields, const std::string& field) {
  std::map<std::string, std::string> texts;
  std::optional<JsonFields> object = fields.Object(field);
  if (!object) return texts;
  for (const auto& [name, value] : fields.Find(field)->items()) {
    if (!IsShowable(name, field, fields)) continue;
    texts[name] = object->RequiredString(name);
  }
  return texts;
}

std::map<std::string, std::string> ReadSettings(JsonFields& fields) {
  if (!fields.Has("settings")) fields.AddProblem("settings", "is missing");
  return ReadTexts(fields, "settings");
}

std::map<std::string, FileSeal> ReadFiles(JsonFields& fields) {
  std::map<std::string, FileSeal> files;
  std::optional<JsonFields> object = fields.Object("files");
  if (!object) {
    if (!fields.Has("files")) fields.AddProblem("files", "is missing");
    return files;
  }
  for (const auto& [name, value] : fields.Find("files")->items()) {
    if (!IsShowable(name, "files", fields)) continue;
    std::optional<JsonFields> file = object->Object(name);
    if (!file) {
      if (value.is_null()) object->AddProblem(name, "is null");
      continue;
    }
    const int64_t size_bytes = file->RequiredInt("size_bytes", kSizes);
    const std::optional<uint64_t> xxh64 = ParseHex(file->RequiredString("xxh64"));
    if (!xxh64) file->AddProblem("xxh64", "is not a number of 16 hexadecimal digits");
    files[name] = {.size_bytes = size_bytes, .xxh64 = xxh64.value_or(0)};
  }
  return files;
}

std::optional<LossScalerState> ReadLossScaler(JsonFields& fields) {
  std::optional<JsonFields> object = fields.Object("loss_scaler");
  if (!object) return std::nullopt;
  return LossScalerState{
      .scale = object->RequiredNumber("scale", {kSmallestLossScale, kLargestLossScale}),
      .num_good = object->RequiredInt("good_steps", kCounts)};
}

std::string ReadModelConfigText(JsonFields& fields) {
  const Json* model = fields.Find("model");
  if (model == nullptr || !model->is_object()) {
    fields.AddProblem("model", model == nullptr ? "is missing" : "is not an object");
    return "{}";
  }
  const std::string text = model->dump(2) + "\n";
  try {
    ParseModelConfig(text, "its config");
  } catch (const FormatError& error) {
    fields.AddProblem("model", error.what());
  }
  return text;
}

// Of one object: its fields' names, and their values as text.
std::map<std::string, std::string> FieldTexts(const std::string& object) {
  std::map<std::string, std::string> texts;
  const Json json = ParseJson(object, "model");
  for (const auto& [name, value] : json.items()) texts[name] = value.dump();
  return texts;
}

void AppendDifferences(const std::string& prefix, const std::map<std::string, std::string>& saved,
                       const std::map<std::string, std::string>& now,
                       std::vector<std::string>& differences) {
  const auto text_in = [](const std::map<std::string, std::string>& texts,
                          const std::string& name) -> std::string {
    const auto it = texts.find(name);
    return it == texts.end() ? "not set" : Printable(it->second, 100);
  };
  std::set<std::string> names;
  for (const auto& [name, text] : saved) names.insert(name);
  for (const auto& [name, text] : now) names.insert(name);
  for (const std::string& name : names) {
    const auto a = saved.find(name), b = now.find(name);
    if (a != saved.end() && b != now.end() && a->second == b->second) continue;
    differences.push_back(fmt::format("{}{} is {} here and was {}", prefix, Printable(name, 100),
                                      text_in(now, name), text_in(saved, name)));
  }
}

std::string_view NameOf(DecayGroup group) {
  switch (group) {
    case DecayGroup::kMatrices:
      return "matrices";
    case DecayGroup::kAll:
      return "all";
  }
  return "";
}

std::string_view NameOf(LossMean mean) {
  switch (mean) {
    case LossMean::kTokens:
      return "tokens";
    case LossMean::kMicroBatches:
      return "micro_batches";
  }
  return "";
}

}  // namespace

std::string FormatTrainingState(const TrainingState& state) {
  OrderedJson json;
  json["format_version"] = kFormatVersion;
  json["step"] = state.step;
  json["optimizer_steps"] = state.optimizer_steps;
  json["epoch"] = state.position.epoch;
  json["micro_batch"] = state.position.micro_batch;
  if (state.loss_scaler) {
    json["loss_scaler"] = {{"scale", state.loss_scaler->scale},
                           {"good_steps", state.loss_scaler->num_good}};
  }
  json["settings"] = OrderedJson::object();
  for (const auto& [name, text] : state.settings) json["settings"][name] = text;
  for (const auto& [name, text] : state.carried) json["carried"][name] = text;
  json["model"] = OrderedJson::parse(state.model_config);
  json["files"] = OrderedJson::object();
  for (const auto& [name, file] : state.files) {
    json["files"][name] = {{"size_bytes", file.size_bytes}, {"xxh64", Hex(file.xxh64)}};
  }
  json["xxh64"] = Hex(Hash64Of(json.dump()));  // of all fields before
  return json.dump(2) + "\n";
}

TrainingState ParseTrainingState(std::string_view text, const std::string& where) {
  const Json json = ParseJson(text, where, kLimits);
  JsonFields fields(json, where);
  const int64_t version = fields.RequiredInt("format_version");
  fields.ThrowIfProblems();
  if (version != kFormatVersion) {
    throw FormatError(fmt::format("{}: its format has version {}; this program reads {}", where,
                                  version, kFormatVersion));
  }
  TrainingState state{
      .step = fields.RequiredInt("step", kCounts),
      .optimizer_steps = fields.RequiredInt("optimizer_steps", kCounts),
      .position = {.epoch = fields.RequiredInt("epoch", kCounts),
                   .micro_batch = fields.RequiredInt("micro_batch", kCounts)},
      .loss_scaler = ReadLossScaler(fields),
      .settings = ReadSettings(fields),
      .carried = ReadTexts(fields, "carried"),
      .model_config = ReadModelConfigText(fields),
      .files = ReadFiles(fields),
  };
  if (state.optimizer_steps > state.step) fields.AddProblem("optimizer_steps", "exceeds step");
  fields.ThrowIfProblems();
  if (FormatTrainingState(state) != text) {
    throw FormatError(where + ": its checksum does not fit: it was cut off or changed");
  }
  return state;
}

std::map<std::string, std::string> SettingsOf(const TrainerOptions& options) {
  const OptimizerOptions& optimizer = options.optimizer;
  const Schedule& schedule = options.schedule;
  std::map<std::string, std::string> settings{
      {"loss_mean", std::string(NameOf(options.loss_mean))},
      {"optimizer.beta1", fmt::to_string(optimizer.beta1)},
      {"optimizer.beta2", fmt::to_string(optimizer.beta2)},
      {"optimizer.decay", fmt::to_string(optimizer.decay)},
      {"optimizer.decay_group", std::string(NameOf(optimizer.decay_group))},
      {"optimizer.eps", fmt::to_string(optimizer.eps)},
      {"optimizer.max_norm", fmt::to_string(optimizer.max_norm)},
      {"schedule.kind", std::string(Name(schedule.kind))},
      {"schedule.rate", fmt::to_string(schedule.rate)},
      {"schedule.warmup_steps", fmt::to_string(schedule.warmup_steps)},
  };
  if (options.dropout > 0.0) settings["dropout"] = fmt::to_string(options.dropout);
  if (optimizer.kind == OptimizerKind::kMuon) {
    settings["optimizer.kind"] = "muon";
    settings["optimizer.momentum"] = fmt::to_string(optimizer.momentum);
  }
  if (options.loss_scaling) {
    settings["loss_scaling.initial"] = fmt::to_string(options.loss_scaling->initial);
    settings["loss_scaling.growth_steps"] = fmt::to_string(options.loss_scaling->growth_steps);
  }
  // A constant rate has no end: such a run may be lengthened.
  if (schedule.kind != ScheduleKind::kConstant) {
    settings["schedule.num_steps"] = fmt::to_string(schedule.num_steps);
    settings["schedule.final_share"] = fmt::to_string(schedule.final_share);
  }
  if (schedule.kind == ScheduleKind::kWsd) {
    settings["schedule.wsd_decay_share"] = fmt::to_string(schedule.wsd_decay_share);
  }
  return settings;
}

std::string SortedModelConfig(const ModelConfig& config, DType weights) {
  return ParseJson(FormatModelConfig(config, weights), "config.json").dump(2) + "\n";
}

std::vector<std::string> FindDifferences(const TrainingState& saved, const TrainingState& now) {
  std::vector<std::string> differences;
  AppendDifferences("", saved.settings, now.settings, differences);
  AppendDifferences("model.", FieldTexts(saved.model_config), FieldTexts(now.model_config),
                    differences);
  return differences;
}

}  // namespace tandem
