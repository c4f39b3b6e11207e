#include "api/cli/chat_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "api/cli/presets.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr std::string_view kBlank = " \t";

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) + 1 - first);
}

// The first word, and what follows it.
std::pair<std::string_view, std::string_view> SplitWord(std::string_view text) {
  const size_t end = std::min(text.find_first_of(kBlank), text.size());
  return {text.substr(0, end), Trim(text.substr(end))};
}

template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A number that /set changes.
struct Number {
  std::string_view name;
  double min;
  double max;
  bool whole;
  void (*set)(ChatOptions&, double);
};

constexpr double kMost = 1e9;

constexpr Number kNumbers[] = {
    {"temperature", 0, 2, false, [](ChatOptions& o, double v) { o.sampling.temperature = v; }},
    {"top_p", 0, 1, false, [](ChatOptions& o, double v) { o.sampling.top_p = v; }},
    {"min_p", 0, 1, false, [](ChatOptions& o, double v) { o.sampling.min_p = v; }},
    {"repetition_penalty", 0.01, 10, false,
     [](ChatOptions& o, double v) { o.sampling.repetition_penalty = v; }},
    {"top_k", 0, kMost, true,
     [](ChatOptions& o, double v) { o.sampling.top_k = static_cast<int64_t>(v); }},
    {"seed", 0, kMost, true,
     [](ChatOptions& o, double v) { o.sampling.seed = static_cast<uint64_t>(v); }},
    {"max_tokens", 0, kMost, true,
     [](ChatOptions& o, double v) { o.max_tokens = static_cast<int64_t>(v); }},
};

jinja::Value Message(const char* role, const std::string& content) {
  jinja::Dict message;
  message.Set("role", jinja::Value::Of(role));
  message.Set("content", jinja::Value::Of(content));
  return jinja::Value::Of(std::move(message));
}

std::string Given(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "the model's";
}

}  // namespace

ChatSession::ChatSession(const ChatOptions& options) : options_(options) {
  if (options_.history > 0 && options_.history % 2 != 0) {
    throw ConfigError(
        fmt::format("--history {} counts messages, which come in pairs: give an even "
                    "number, 0 for none or -1 for all",
                    options_.history));
  }
  const SamplingPreset* preset = FindPreset(options_.preset);
  if (preset == nullptr) return;
  if (!options_.sampling.temperature) options_.sampling.temperature = preset->temperature;
  if (!options_.sampling.top_p) options_.sampling.top_p = preset->top_p;
}

std::string ChatSession::Help() {
  std::string presets;
  for (const SamplingPreset& preset : kSamplingPresets) {
    presets += (presets.empty() ? "" : ", ") + std::string(preset.name);
  }
  return "/help                  this text\n"
         "/clear                 begin a new conversation\n"
         "/retry                 answer the last message again\n"
         "/undo                  forget the last message and its answer\n"
         "/system TEXT           what the conversation begins with; without TEXT: nothing\n"
         "/set NAME VALUE        temperature, top_p, top_k, min_p, repetition_penalty,\n"
         "                       max_tokens, seed\n"
         "/preset NAME           " +
         presets +
         "\n"
         "/think on|off|auto     let models that know it reason first\n"
         "/stats on|off          tokens a second after each answer\n"
         "/show                  the settings\n"
         "/quit                  end; so does Ctrl-D\n"
         "\"\"\" begins and ends a message of several lines. Ctrl-C stops an answer.";
}

ChatSession::Outcome ChatSession::Take(std::string_view line) {
  line = Trim(line);
  if (line.empty()) return {};
  if (line.front() != '/') {
    pending_ = std::string(line);
    return {.next = Next::kAnswer};
  }
  const auto [name, rest] = SplitWord(line.substr(1));
  if (name == "quit" || name == "exit" || name == "bye") return {.next = Next::kQuit};
  if (name == "help" || name == "?") return {.message = Help()};
  if (name == "show") return {.message = Show()};
  if (name == "set") return Set(rest);
  if (name == "preset") return UsePreset(rest);
  if (name == "retry") return Retry();
  if (name == "think") return Think(rest);
  if (name == "stats") return Stats(rest);
  if (name == "clear") {
    turns_.clear();
    return {.message = "a new conversation"};
  }
  if (name == "undo") {
    if (turns_.empty()) return {.message = "there is nothing to undo"};
    turns_.pop_back();
    return {.message = fmt::format("{} messages are left", 2 * turns_.size())};
  }
  if (name == "system") {
    options_.system = std::string(rest);
    return {.message = rest.empty() ? "no system message" : "the system message is set"};
  }
  return {.message = fmt::format("there is no /{}; /help lists the commands", name)};
}

ChatSession::Outcome ChatSession::Set(std::string_view arguments) {
  const auto [name, text] = SplitWord(arguments);
  const auto* number = std::ranges::find(kNumbers, name, &Number::name);
  if (number == std::end(kNumbers)) {
    return {.message = fmt::format("there is no setting '{}'; /help lists them", name)};
  }
  const auto value = ParseNumber<double>(text);
  const bool fits = value && *value >= number->min && *value <= number->max &&
                    (!number->whole || *value == static_cast<double>(static_cast<int64_t>(*value)));
  if (!fits) {
    return {.message = fmt::format("{} must be a {} between {} and {}, not '{}'", name,
                                   number->whole ? "whole number" : "number", number->min,
                                   number->max, text)};
  }
  number->set(options_, *value);
  return {.message = fmt::format("{} is {}", name, *value)};
}

ChatSession::Outcome ChatSession::UsePreset(std::string_view name) {
  const SamplingPreset* preset = FindPreset(name);
  if (preset == nullptr) {
    return {.message = fmt::format("there is no preset '{}'; /help lists them", name)};
  }
  options_.sampling.temperature = preset->temperature;
  options_.sampling.top_p = preset->top_p;
  return {.message =
              fmt::format("temperature is {}, top_p is {}", preset->temperature, preset->top_p)};
}

ChatSession::Outcome ChatSession::Think(std::string_view word) {
  if (word != "on" && word != "off" && word != "auto") return {.message = "/think on, off or auto"};
  options_.think = word == "auto" ? std::optional<bool>() : word == "on";
  return {.message = fmt::format("think is {}", word)};
}

ChatSession::Outcome ChatSession::Stats(std::string_view word) {
  if (word != "on" && word != "off") return {.message = "/stats on or off"};
  options_.stats = word == "on";
  return {.message = fmt::format("stats is {}", word)};
}

ChatSession::Outcome ChatSession::Retry() {
  if (turns_.empty()) return {.message = "there is nothing to answer again"};
  pending_ = std::move(turns_.back().user);
  turns_.pop_back();
  return {.next = Next::kAnswer};
}

std::string ChatSession::Show() const {
  const SamplingOptions& sampling = options_.sampling;
  return fmt::format(
      "temperature {}, top_p {}, min_p {}, repetition_penalty {}\n"
      "top_k {}, seed {}, max_tokens {}\n"
      "think {}, stats {}, {} messages\nsystem: {}",
      Given(sampling.temperature), Given(sampling.top_p), Given(sampling.min_p),
      Given(sampling.repetition_penalty),
      sampling.top_k ? std::to_string(*sampling.top_k) : "the model's",
      sampling.seed ? std::to_string(*sampling.seed) : "random",
      options_.max_tokens > 0 ? std::to_string(options_.max_tokens) : "what the context leaves",
      !options_.think ? "auto" : (*options_.think ? "on" : "off"), options_.stats ? "on" : "off",
      2 * turns_.size(), options_.system.empty() ? "none" : options_.system);
}

size_t ChatSession::num_remembered() const {
  if (options_.history < 0) return turns_.size();
  return std::min(turns_.size(), static_cast<size_t>(options_.history / 2));
}

Conversation ChatSession::MakeConversation(size_t max_turns) const {
  std::vector<jinja::Value> messages;
  if (!options_.system.empty()) messages.push_back(Message("system", options_.system));
  const size_t count = std::min(max_turns, num_remembered());
  for (size_t i = turns_.size() - count; i < turns_.size(); ++i) {
    messages.push_back(Message("user", turns_[i].user));
    messages.push_back(Message("assistant", turns_[i].assistant));
  }
  messages.push_back(Message("user", pending_));
  Conversation conversation{.messages = jinja::Value::Of(std::move(messages))};
  if (!options_.think) return conversation;
  // The names that templates know it by.
  for (const char* name : {"enable_thinking", "open_thinking"}) {
    conversation.template_variables.emplace_back(name, jinja::Value::Of(*options_.think));
  }
  return conversation;
}

void ChatSession::Answered(std::string text) {
  turns_.push_back({std::exchange(pending_, ""), std::move(text)});
}

}  // namespace tandem
