#include "loadtest/workload/request_maker.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "loadtest/http/request_message.h"

namespace tandem {
namespace {

// Common words, most of which are one token of their own in most vocabularies.
constexpr std::array kWords = {
    "about", "after", "again",  "air",   "all",   "and",    "animal", "answer", "ask",    "back",
    "bird",  "black", "blue",   "boat",  "book",  "boy",    "bring",  "build",  "by",     "call",
    "came",  "car",   "change", "child", "city",  "cold",   "come",   "could",  "day",    "did",
    "door",  "down",  "draw",   "early", "earth", "eat",    "even",   "every",  "eye",    "face",
    "fall",  "far",   "father", "find",  "fire",  "fish",   "food",   "four",   "friend", "garden",
    "gave",  "girl",  "give",   "good",  "great", "green",  "hand",   "hard",   "have",   "head",
    "help",  "hill",  "home",   "horse", "hot",   "house",  "idea",   "keep",   "kind",   "land",
    "large", "last",  "learn",  "left",  "life",  "light",  "little", "long",   "look",   "made",
    "man",   "many",  "moon",   "more",  "most",  "mother", "move",   "much",   "name",   "never",
    "new",   "night", "old",    "open",  "order", "paper",  "people", "place",  "plant",  "play",
    "point", "read",  "red",    "river", "road",  "room",   "round",  "run",    "said",   "school",
    "sea",   "see",   "ship",   "show",  "side",  "sing",   "small",  "snow",   "song",   "stand",
    "star",  "start", "stone",  "story", "sun",   "take",   "tell",   "thing",  "think",  "three",
    "time",  "town",  "tree",   "turn",  "under", "walk",   "warm",   "watch",  "water",  "white",
    "wind",  "with",  "wood",   "word",  "work",  "world",  "year",   "young"};

// As it stands between the quotes of a JSON string.
std::string EscapedJson(const std::string& text) {
  const std::string quoted =
      nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return quoted.substr(1, quoted.size() - 2);
}

void AppendMessage(std::string_view role, const std::string& content, std::string& messages) {
  messages += fmt::format(R"({}{{"role":"{}","content":"{}"}})", messages.empty() ? "" : ",", role,
                          content);
}

}  // namespace

RequestMaker::RequestMaker(const Workload& workload, RequestTarget target, uint64_t salt)
    : workload_(workload),
      target_(std::move(target)),
      salt_(salt),
      choices_(MixedSeed(workload.seed, 1)),
      content_(MixedSeed(workload.seed, salt + 2)),
      next_text_(workload.classes.size()) {
  for (const RequestClass& request : workload_.classes) {
    total_weight_ += request.weight;
    std::vector<Prompt> prefixes;
    for (int64_t i = 0; request.shared_prefix && i < request.shared_prefix->num_prefixes; ++i) {
      const int64_t length = DrawLength(request.shared_prefix->length, choices_);
      AppendSynthetic(request.prompt.unit, length, content_, prefixes.emplace_back());
    }
    prefixes_.push_back(std::move(prefixes));
  }
}

size_t RequestMaker::DrawClass() {
  double left = choices_.Uniform() * total_weight_;
  for (size_t i = 0; i + 1 < workload_.classes.size(); ++i) {
    left -= workload_.classes[i].weight;
    if (left < 0.0) return i;
  }
  return workload_.classes.size() - 1;
}

void RequestMaker::AppendSynthetic(PromptUnit unit, int64_t length, RandomDraws& draws,
                                   Prompt& prompt) const {
  for (int64_t i = 0; i < length; ++i) {
    if (unit == PromptUnit::kTokens) {
      prompt.ids.push_back(draws.Integer(workload_.first_token_id, workload_.end_token_id));
    } else {
      if (!prompt.text.empty()) prompt.text += ' ';
      prompt.text += kWords[static_cast<size_t>(draws.Integer(0, std::ssize(kWords)))];
    }
  }
}

// A salt in front of the text makes it another prompt, a little longer.
RequestMaker::Prompt RequestMaker::PromptOfText(const std::string& text) const {
  const std::string salt = salt_ == 0 ? "" : fmt::format("[{:04x}] ", salt_ & 0xffff);
  return {.text = salt + EscapedJson(text)};
}

RequestMaker::Prompt RequestMaker::MakePrompt(size_t class_index, const Length& length) {
  const RequestClass& request = workload_.classes[class_index];
  if (!request.texts.empty()) {
    return PromptOfText(request.texts[next_text_[class_index]++ % request.texts.size()]);
  }
  Prompt prompt;
  const std::vector<Prompt>& prefixes = prefixes_[class_index];
  if (!prefixes.empty()) {
    prompt = prefixes[static_cast<size_t>(choices_.Integer(0, std::ssize(prefixes)))];
  }
  AppendSynthetic(request.prompt.unit, DrawLength(length, choices_), content_, prompt);
  return prompt;
}

MadeRequest RequestMaker::Make() {
  const size_t index = DrawClass();
  const RequestClass& request = workload_.classes[index];
  const int64_t num_output_tokens = DrawLength(request.output, choices_);
  return MakeOf(index, MakePrompt(index, request.prompt.length), num_output_tokens);
}

TokenRequest RequestMaker::MakeTokens() {
  const size_t index = DrawClass();
  const RequestClass& request = workload_.classes[index];
  const int64_t num_output_tokens = DrawLength(request.output, choices_);
  return {.prompt = MakePrompt(index, request.prompt.length).ids,
          .num_output_tokens = num_output_tokens};
}

MadeRequest RequestMaker::Make(const TraceEntry& entry) {
  const size_t index = DrawClass();
  const RequestClass& request = workload_.classes[index];
  const int64_t drawn = DrawLength(request.output, choices_);
  const Length length = entry.num_prompt_tokens ? Length(FixedLength{*entry.num_prompt_tokens})
                                                : request.prompt.length;
  Prompt prompt = entry.prompt ? PromptOfText(*entry.prompt) : MakePrompt(index, length);
  return MakeOf(index, std::move(prompt), entry.num_output_tokens.value_or(drawn));
}

MadeRequest RequestMaker::MakeOf(size_t class_index, Prompt prompt, int64_t num_output_tokens) {
  const RequestClass& request = workload_.classes[class_index];
  if (workload_.api != Api::kChat) {
    const std::string input = prompt.ids.empty()
                                  ? fmt::format(R"("prompt":"{}")", prompt.text)
                                  : fmt::format(R"("prompt":[{}])", fmt::join(prompt.ids, ","));
    return Finish(class_index, input, num_output_tokens);
  }
  std::string messages;
  AppendMessage("user", prompt.text, messages);
  MadeRequest made =
      Finish(class_index, fmt::format(R"("messages":[{}])", messages), num_output_tokens);
  const int64_t num_turns = DrawLength(request.turns, choices_);
  if (num_turns > 1) {
    made.conversation = std::make_unique<Dialogue>(Dialogue{.class_index = class_index,
                                                            .question = std::move(prompt.text),
                                                            .num_turns_left = num_turns - 1});
  }
  return made;
}

MadeRequest RequestMaker::Continue(std::unique_ptr<Dialogue> conversation,
                                   const std::string& answer) {
  const size_t index = conversation->class_index;
  const RequestClass& request = workload_.classes[index];
  AppendMessage("user", conversation->question, conversation->messages);
  AppendMessage("assistant", answer, conversation->messages);
  Prompt prompt;
  if (request.texts.empty()) {
    AppendSynthetic(request.prompt.unit, DrawLength(request.prompt.length, choices_), content_,
                    prompt);
  } else {
    prompt = PromptOfText(request.texts[next_text_[index]++ % request.texts.size()]);
  }
  conversation->question = std::move(prompt.text);
  std::string messages = conversation->messages;
  AppendMessage("user", conversation->question, messages);
  MadeRequest made = Finish(index, fmt::format(R"("messages":[{}])", messages),
                            DrawLength(request.output, choices_));
  if (--conversation->num_turns_left > 0) made.conversation = std::move(conversation);
  return made;
}

MadeRequest RequestMaker::Finish(size_t class_index, const std::string& input,
                                 int64_t num_output_tokens) {
  const RequestClass& request = workload_.classes[class_index];
  std::string body = "{" + input;
  if (!target_.model.empty()) body += fmt::format(R"(,"model":"{}")", EscapedJson(target_.model));
  const char* const limit = workload_.api == Api::kGenerate ? "max_new_tokens" : "max_tokens";
  body += fmt::format(R"(,"{}":{})", limit, num_output_tokens);
  if (workload_.stream) body += R"(,"stream":true,"stream_options":{"include_usage":true})";
  if (request.ignore_eos) body += R"(,"ignore_eos":true)";
  if (request.priority) body += fmt::format(R"(,"priority":{})", *request.priority);
  if (request.temperature) body += fmt::format(R"(,"temperature":{})", *request.temperature);
  body += "}";
  const std::string id =
      fmt::format("load-{:016x}-{}", MixedSeed(workload_.seed, salt_), num_made_++);
  MadeRequest made{.message = RequestMessage({.url = target_.url,
                                              .path = PathOf(workload_.api),
                                              .api_key = target_.api_key,
                                              .request_id = id},
                                             body),
                   .class_index = class_index};
  if (request.cancel_share > 0.0 && choices_.Uniform() < request.cancel_share) {
    made.cancel_after = request.cancel_after;
  }
  return made;
}

}  // namespace tandem
