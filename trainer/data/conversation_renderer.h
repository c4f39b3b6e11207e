#pragma once
// A conversation as the model's chat template writes it, and which of its bytes are the assistant's
// own words: what the loss covers. Immutable after construction; any thread.
//
// Answer i is the rendering of the turns up to and including it, minus the rendering of the turns
// before it with the generation prompt. So the words begin where a server lets the model begin, and
// end with all that the template writes to end a turn. Two things to know:
//  * Some generation prompts write a part of the thinking block ("<think>\n\n</think>\n\n" switches
//    thinking off). That part counts as the assistant's words: the model learns to write the block
//    itself, as MiniMind's does, whatever variables a server renders with.
//  * A template that marks answers itself ({% generation %}) is believed.
// The difference must exist: each rendering has to be a prefix of the next. Where a template
// writes earlier turns differently once others follow (Qwen3 drops their reasoning), the
// conversation is refused with a reason that shows where the two part; AnswersPerSample::kOne can
// render it all the same.

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/text/chat_template.h"
#include "trainer/data/data_record.h"

namespace tandem {

struct RenderedConversation {
  std::string text;
  std::vector<jinja::TextRange> answers;  // of text, ascending, apart from each other, not empty
};

enum class AnswersPerSample : uint8_t {
  kAll,  // a conversation is one text, and all its answers are learned
  kOne,  // a text for each answer, which ends with it: just what a server has when it answers
};

struct RenderOptions {
  AnswersPerSample answers = AnswersPerSample::kAll;
  // Variables of the template, such as enable_thinking.
  std::vector<std::pair<std::string, jinja::Value>> variables = {};
  // What strftime_now gives; fixed, so that the same data is the same on every day.
  std::chrono::system_clock::time_point now = {};
};

class ConversationRenderer {
 public:
  explicit ConversationRenderer(ChatTemplate chat_template, RenderOptions options = {});

  // One or more, in order.
  std::variant<std::vector<RenderedConversation>, BadRecord> Render(
      const ConversationRecord& record) const;

  const ChatTemplate& chat_template() const { return chat_template_; }
  const RenderOptions& options() const { return options_; }

 private:
  jinja::Rendering RenderTurns(const ConversationRecord& record, size_t num_turns,
                               GenerationPrompt generation_prompt) const;
  RenderedConversation RenderTogether(const ConversationRecord& record) const;
  RenderedConversation RenderUpTo(const ConversationRecord& record, size_t turn) const;
  std::string PromptFor(const ConversationRecord& record, size_t turn) const;
  jinja::TextRange FindAnswer(const ConversationRecord& record, size_t turn,
                              const std::string& whole) const;

  ChatTemplate chat_template_;
  RenderOptions options_;
  std::string thinking_prompt_;  // the part of a thinking block that ends a generation prompt
};

}  // namespace tandem
