#include "loadtest/workload/workload_file.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/base/json.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"
#include "loadtest/workload/yaml_fields.h"

namespace tandem {
namespace {

constexpr YamlFields::Range kTokens{.min = 1, .max = 1 << 24};
constexpr YamlFields::Range kRates{.min = 1e-6, .max = 1e6};

Length ReadLogNormal(YamlFields& fields) {
  LogNormalLength length;
  const auto median = fields.Number("median", kTokens);
  const auto sigma = fields.Number("sigma", {.min = 0, .max = 10});
  const auto max = fields.Int("max", kTokens);
  length.min = fields.Int("min", kTokens).value_or(1);
  if (!median) fields.AddProblem("median", "is missing");
  if (!sigma) fields.AddProblem("sigma", "is missing");
  if (!max) fields.AddProblem("max", "is missing: the draws have no bound of their own");
  fields.RefuseOthers();
  length.median = median.value_or(1.0);
  length.sigma = sigma.value_or(0.0);
  length.max = std::max(max.value_or(1), length.min);
  return length;
}

// "tokens: 8", "tokens: {uniform: [4, 12]}", "tokens: {log-normal: {median: 200, ...}}".
std::optional<Length> ReadLength(YamlFields& fields, const std::string& name) {
  const YAML::Node found = fields.Find(name);
  if (!found || found.IsNull()) return std::nullopt;
  if (!found.IsMap()) {
    const auto value = fields.Int(name, kTokens);
    return value ? std::optional<Length>(FixedLength{*value}) : std::nullopt;
  }
  auto kinds = *fields.Map(name);
  std::optional<Length> length;
  if (const auto bounds = kinds.Pair("uniform", kTokens)) {
    length = UniformLength{bounds->first, bounds->second};
  }
  if (auto log_normal = kinds.Map("log-normal")) length = ReadLogNormal(*log_normal);
  kinds.RefuseOthers();
  if (!length) fields.AddProblem(name, "must be a number, {uniform: ...} or {log-normal: ...}");
  return length;
}

std::filesystem::path Beside(const std::filesystem::path& file, const std::string& named) {
  return file.parent_path() / named;
}

void ReadPrompt(YamlFields& fields, const std::filesystem::path& file, RequestClass& request) {
  auto prompt = fields.Map("prompt");
  if (!prompt) {
    fields.AddProblem("prompt", "is missing");
    return;
  }
  const auto tokens = ReadLength(*prompt, "tokens");
  const auto words = ReadLength(*prompt, "words");
  const auto text = prompt->String("text");
  const auto from = prompt->String("file");
  if (prompt->Has("tokens") + prompt->Has("words") + text.has_value() + from.has_value() != 1) {
    fields.AddProblem("prompt", "must have one of tokens, words, text, file");
  }
  prompt->RefuseOthers();
  if (tokens) request.prompt = {.unit = PromptUnit::kTokens, .length = *tokens};
  if (words) request.prompt = {.unit = PromptUnit::kWords, .length = *words};
  if (text) request.texts = {*text};
  if (from) request.texts = ReadPrompts(Beside(file, *from));
}

void ReadCancel(YamlFields& fields, RequestClass& request) {
  auto cancel = fields.Map("cancel");
  if (!cancel) return;
  request.cancel_share = cancel->Number("share", {.min = 0, .max = 1}).value_or(1.0);
  request.cancel_after = cancel->Int("after", kTokens).value_or(1);
  cancel->RefuseOthers();
}

RequestClass ReadClass(YamlFields& fields, const std::filesystem::path& file) {
  RequestClass request;
  request.name = fields.String("name").value_or(request.name);
  request.weight = fields.Number("weight", {.min = 1e-9, .max = 1e9}).value_or(1.0);
  ReadPrompt(fields, file, request);
  if (auto prefix = fields.Map("shared-prefix")) {
    SharedPrefix shared;
    const auto length = ReadLength(*prefix, "length");
    if (!length) prefix->AddProblem("length", "is missing");
    shared.length = length.value_or(shared.length);
    shared.num_prefixes = prefix->Int("count", {.min = 1, .max = 1e6}).value_or(1);
    prefix->RefuseOthers();
    if (!request.texts.empty()) {
      fields.AddProblem("shared-prefix", "goes with prompts in tokens or words, not with texts");
    }
    request.shared_prefix = shared;
  }
  request.output = ReadLength(fields, "output").value_or(request.output);
  request.ignore_eos = fields.Bool("ignore-eos").value_or(request.ignore_eos);
  request.priority = fields.Int("priority", {.min = -1000, .max = 1000});
  request.temperature = fields.Number("temperature", {.min = 0, .max = 100});
  request.turns = ReadLength(fields, "turns").value_or(request.turns);
  ReadCancel(fields, request);
  fields.RefuseOthers();
  return request;
}

void ReadOpenLoop(YamlFields& fields, const std::filesystem::path& file, Workload& workload) {
  const std::vector<std::pair<std::string, Spacing>> spacings = {
      {"poisson", Spacing::kPoisson}, {"constant", Spacing::kConstant}, {"gamma", Spacing::kGamma}};
  workload.spacing = fields.Choice("spacing", spacings).value_or(workload.spacing);
  const auto rate = fields.Number("rate", kRates);
  workload.end_rate = fields.Number("end-rate", {.min = 0, .max = kRates.max});
  const auto burstiness = fields.Number("burstiness", {.min = 1e-3, .max = 1e6});
  if (burstiness && workload.spacing != Spacing::kGamma) {
    fields.AddProblem("burstiness", "goes with spacing: gamma");
  }
  workload.burstiness = burstiness.value_or(1.0);
  const auto trace = fields.String("trace");
  const auto speed = fields.Number("speed", {.min = 1e-6, .max = 1e6});
  if (speed && !trace) fields.AddProblem("speed", "goes with a trace");
  if (rate.has_value() == trace.has_value() && !(fields.Has("rate") && !trace)) {
    fields.AddProblem("rate", "or trace must be given, and not both");
  }
  fields.RefuseOthers();
  workload.rate = rate.value_or(workload.rate);
  if (trace) {
    workload.trace = {.entries = ReadTrace(Beside(file, *trace)), .speed = speed.value_or(1.0)};
  }
}

void ReadClosedLoop(YamlFields& fields, Workload& workload) {
  const auto users = fields.Int("users", {.min = 1, .max = 1e6});
  if (!users) fields.AddProblem("users", "is missing");
  workload.num_users = users.value_or(1);
  workload.think_time = fields.Duration("think-time").value_or(workload.think_time);
  const std::vector<std::pair<std::string, ThinkTime>> kinds = {
      {"fixed", ThinkTime::kFixed}, {"exponential", ThinkTime::kExponential}};
  workload.think_kind = fields.Choice("think", kinds).value_or(workload.think_kind);
  fields.RefuseOthers();
}

Workload ReadDocument(const YAML::Node& document, const std::filesystem::path& file) {
  YamlFields fields(document, Printable(file.string()));
  Workload workload;
  workload.name = fields.String("name").value_or(file.stem().string());
  const std::vector<std::pair<std::string, Api>> apis = {
      {"completions", Api::kCompletions}, {"chat", Api::kChat}, {"generate", Api::kGenerate}};
  workload.api = fields.Choice("api", apis).value_or(workload.api);
  workload.stream = fields.Bool("stream").value_or(workload.api != Api::kGenerate);
  const auto duration = fields.Duration("duration");
  workload.warm_up = fields.Duration("warm-up").value_or(workload.warm_up);
  if (const auto seed = fields.Int("seed", {})) workload.seed = static_cast<uint64_t>(*seed);
  if (const auto ids = fields.Pair("token-ids", {.min = 0, .max = 1 << 24})) {
    workload.first_token_id = ids->first;
    workload.end_token_id = ids->second;
  }
  auto open_loop = fields.Map("open-loop");
  auto closed_loop = fields.Map("closed-loop");
  if (open_loop.has_value() == closed_loop.has_value()) {
    fields.AddProblem("open-loop", "or closed-loop must be given, and not both");
  }
  if (open_loop) ReadOpenLoop(*open_loop, file, workload);
  if (closed_loop) ReadClosedLoop(*closed_loop, workload);
  if (workload.trace && !duration) {
    const auto last = workload.trace->entries.back().at;
    workload.duration = std::chrono::milliseconds(
        static_cast<int64_t>(static_cast<double>(last.count()) / 1e6 / workload.trace->speed) + 1);
  } else {
    workload.duration = duration.value_or(workload.duration);
  }
  for (YamlFields& each : fields.Maps("requests")) {
    workload.classes.push_back(ReadClass(each, file));
  }
  fields.RefuseOthers();
  fields.ThrowIfProblems();
  return workload;
}

// The first user's text in a conversation of OpenAI's or MiniMind's form.
std::optional<std::string> FirstMessage(const Json& json, const char* name) {
  const auto list = json.find(name);
  if (list == json.end() || !list->is_array()) return std::nullopt;
  for (const Json& message : *list) {
    if (!message.is_object()) continue;
    const auto content = message.find("content");
    if (message.value("role", Json("user")) == "user" && content != message.end() &&
        content->is_string()) {
      return content->get<std::string>();
    }
  }
  return std::nullopt;
}

std::string PromptOfLine(const std::string& line, const std::string& where) {
  const Json json = ParseJson(line, where);
  if (json.is_object()) {
    for (const char* name : {"prompt", "text"}) {
      const auto found = json.find(name);
      if (found != json.end() && found->is_string()) return found->get<std::string>();
    }
    for (const char* name : {"messages", "conversations"}) {
      if (auto text = FirstMessage(json, name)) return *text;
    }
  }
  throw FormatError(where + ": no prompt, text, messages or conversations with a text in it");
}

}  // namespace

std::vector<std::string> ReadPrompts(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in || std::filesystem::is_directory(file)) {
    throw FormatError("the prompts in " + Quoted(file.string()) + " cannot be read");
  }
  std::vector<std::string> prompts;
  int64_t line_number = 0;
  for (std::string line; std::getline(in, line);) {
    ++line_number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.find_first_not_of(" \t") == line.npos) continue;
    if (file.extension() == ".jsonl") {
      line = PromptOfLine(line, fmt::format("{}:{}", Printable(file.string()), line_number));
    }
    prompts.push_back(std::move(line));
  }
  if (prompts.empty()) throw FormatError("there are no prompts in " + Quoted(file.string()));
  return prompts;
}

Workload ReadWorkload(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in || std::filesystem::is_directory(file)) {
    throw FormatError("the workload " + Quoted(file.string()) + " cannot be read");
  }
  std::stringstream text;
  text << in.rdbuf();
  YAML::Node document;
  try {
    document = YAML::Load(text.str());
  } catch (const YAML::Exception& error) {
    throw FormatError(Printable(file.string()) + ": " + Printable(error.what()));
  }
  return ReadDocument(document, file);
}

}  // namespace tandem
