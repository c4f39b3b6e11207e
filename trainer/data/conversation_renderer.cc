#include "trainer/data/conversation_renderer.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/printable.h"
#include "engine/text/chat_messages.h"
#include "engine/text/unicode.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using jinja::Dict;
using jinja::TextRange;
using jinja::Value;

constexpr std::string_view kThinkingTag = "<think>";
constexpr size_t kShownBytes = 40;  // on either side of where two renderings part

// Thrown and caught inside of this file only.
struct Unrenderable {
  std::string reason;
};

Value FitForTemplate(const ChatTemplate& chat_template, const Value& given) {
  Value messages = WithParsedToolArguments(WithReasoningNames(given));
  return chat_template.content_form() == ContentForm::kText ? JoinTextParts(messages) : messages;
}

Value FirstTurns(const Value& messages, size_t num_turns) {
  const auto& items = messages.list().items;
  if (num_turns == items.size()) return messages;
  return Value::Of(
      std::vector<Value>(items.begin(), items.begin() + static_cast<ptrdiff_t>(num_turns)));
}

// What a generation prompt ends with from an opening thinking tag on; usually nothing. Seen on one
// user's turn, since it does not depend on what was said.
std::string FindThinkingPrompt(const ChatTemplate& chat_template, const RenderOptions& options) {
  Dict message;
  message.Set("role", Value::Of("user"));
  message.Set("content", Value::Of("?"));
  ChatInput input{.messages = Value::Of(std::vector<Value>{Value::Of(std::move(message))}),
                  .variables = options.variables,
                  .now = options.now};
  try {
    const std::string without = chat_template.Render(input).text;
    input.generation_prompt = GenerationPrompt::kAdd;
    const std::string with = chat_template.Render(input).text;
    const auto parted =
        std::mismatch(without.begin(), without.end(), with.begin(), with.end()).second;
    const size_t tag = with.find(kThinkingTag, static_cast<size_t>(parted - with.begin()));
    return tag == with.npos ? "" : with.substr(tag);
  } catch (const InvalidRequest&) {
    return "";  // it wants more than one user's turn; the records will tell
  }
}

// Bytes [begin, end), which may cut a character in two.
std::string Excerpt(std::string_view text, size_t begin, size_t end) {
  return Quoted(ReplaceInvalidUtf8(text.substr(begin, end - begin)));
}

// `what` is written differently in the second text.
void CheckPrefix(std::string_view earlier, std::string_view later, const std::string& what) {
  if (later.starts_with(earlier)) return;
  const auto parted = std::mismatch(earlier.begin(), earlier.end(), later.begin(), later.end());
  const auto at = static_cast<size_t>(parted.first - earlier.begin());
  throw Unrenderable{
      fmt::format("where the answer lies cannot be told: the chat template writes {} follows; "
                  "behind {} it wrote {}, and then {}",
                  what, Excerpt(earlier, at - std::min(at, kShownBytes), at),
                  Excerpt(earlier, at, std::min(earlier.size(), at + kShownBytes)),
                  Excerpt(later, at, std::min(later.size(), at + kShownBytes)))};
}

void CheckAnswerFollows(std::string_view prompt, std::string_view answered, size_t turn) {
  CheckPrefix(prompt, answered,
              fmt::format("the prompt for message {} differently once that", turn + 1));
}

// Those of {% generation %} blocks.
std::vector<TextRange> MarkedAnswers(const std::vector<TextRange>& generated) {
  std::vector<TextRange> answers;
  for (const TextRange& range : generated) {
    if (!answers.empty() && range.begin < answers.back().end) {
      throw Unrenderable{"the chat template's generation blocks overlap"};
    }
    if (range.begin < range.end) answers.push_back(range);
  }
  return answers;
}

bool IsAnswer(const Value& message) { return message.dict().Find("role")->AsText() == "assistant"; }

}  // namespace

ConversationRenderer::ConversationRenderer(ChatTemplate chat_template, RenderOptions options)
    : chat_template_(std::move(chat_template)),
      options_(std::move(options)),
      thinking_prompt_(FindThinkingPrompt(chat_template_, options_)) {}

jinja::Rendering ConversationRenderer::RenderTurns(const ConversationRecord& record,
                                                   size_t num_turns,
                                                   GenerationPrompt generation_prompt) const {
  return chat_template_.Render({.messages = FirstTurns(record.messages, num_turns),
                                .tools = record.tools,
                                .generation_prompt = generation_prompt,
                                .variables = options_.variables,
                                .now = options_.now});
}

// All that is written before the assistant's own words.
std::string ConversationRenderer::PromptFor(const ConversationRecord& record, size_t turn) const {
  std::string prompt = RenderTurns(record, turn, GenerationPrompt::kAdd).text;
  if (!thinking_prompt_.empty() && prompt.ends_with(thinking_prompt_)) {
    prompt.resize(prompt.size() - thinking_prompt_.size());
  }
  return prompt;
}

TextRange ConversationRenderer::FindAnswer(const ConversationRecord& record, size_t turn,
                                           const std::string& whole) const {
  const std::string prompt = PromptFor(record, turn);
  const bool is_last = turn + 1 == record.messages.list().items.size();
  const std::string answered =
      is_last ? whole : RenderTurns(record, turn + 1, GenerationPrompt::kNone).text;
  CheckAnswerFollows(prompt, answered, turn);
  CheckPrefix(answered, whole, fmt::format("message {} differently once another", turn + 1));
  return {.begin = prompt.size(), .end = answered.size()};
}

RenderedConversation ConversationRenderer::RenderTogether(const ConversationRecord& record) const {
  const auto& messages = record.messages.list().items;
  jinja::Rendering whole = RenderTurns(record, messages.size(), GenerationPrompt::kNone);
  RenderedConversation rendered{.text = std::move(whole.text),
                                .answers = MarkedAnswers(whole.generated)};
  if (!rendered.answers.empty()) return rendered;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!IsAnswer(messages[i])) continue;
    const TextRange answer = FindAnswer(record, i, rendered.text);
    if (answer.begin < answer.end) rendered.answers.push_back(answer);
  }
  return rendered;
}

RenderedConversation ConversationRenderer::RenderUpTo(const ConversationRecord& record,
                                                      size_t turn) const {
  jinja::Rendering answered = RenderTurns(record, turn + 1, GenerationPrompt::kNone);
  RenderedConversation rendered{.text = std::move(answered.text),
                                .answers = MarkedAnswers(answered.generated)};
  if (!rendered.answers.empty()) {
    rendered.answers = {rendered.answers.back()};
    return rendered;
  }
  const std::string prompt = PromptFor(record, turn);
  CheckAnswerFollows(prompt, rendered.text, turn);
  if (prompt.size() < rendered.text.size()) {
    rendered.answers.push_back({.begin = prompt.size(), .end = rendered.text.size()});
  }
  return rendered;
}

std::variant<std::vector<RenderedConversation>, BadRecord> ConversationRenderer::Render(
    const ConversationRecord& given) const {
  try {
    const ConversationRecord record{.messages = FitForTemplate(chat_template_, given.messages),
                                    .tools = given.tools};
    std::vector<RenderedConversation> rendered;
    switch (options_.answers) {
      case AnswersPerSample::kAll:
        rendered.push_back(RenderTogether(record));
        break;
      case AnswersPerSample::kOne:
        for (size_t i = 0; i < record.messages.list().items.size(); ++i) {
          if (IsAnswer(record.messages.list().items[i])) rendered.push_back(RenderUpTo(record, i));
        }
        break;
    }
    for (const RenderedConversation& conversation : rendered) {
      if (!conversation.answers.empty()) continue;
      return BadRecord{"the chat template writes nothing of the assistant's turns"};
    }
    return rendered;
  } catch (const Unrenderable& error) {
    return BadRecord{error.reason};
  } catch (const InvalidRequest& error) {
    return BadRecord{fmt::format("the chat template refuses it: {}", error.what())};
  }
}

}  // namespace tandem
