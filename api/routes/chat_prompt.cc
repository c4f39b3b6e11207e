#include "api/routes/chat_prompt.h"

#include <chrono>
#include <string_view>

#include "engine/text/chat_messages.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

using jinja::Value;

constexpr std::string_view kBlank = " \t\r\n";

Value FitForTemplate(const ChatTemplate& chat_template, const Value& given) {
  Value messages = WithParsedToolArguments(WithReasoningNames(given), kRequestLimits);
  if (!chat_template.knows_developer_role()) messages = WithDeveloperAsSystem(messages);
  if (chat_template.content_form() == ContentForm::kText) messages = JoinTextParts(messages);
  return messages;
}

// Of the last message: its content, or that of its last part.
std::string_view LastText(const Value& messages) {
  const Value* content = messages.list().items.back().dict().Find("content");
  if (content != nullptr && content->IsText()) return content->AsText();
  if (content == nullptr || !content->IsList() || content->list().items.empty()) return {};
  return content->list().items.back().dict().Find("text")->AsText();
}

std::string_view Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) + 1 - first);
}

// Cuts what the template wrote after the last message, as transformers does: templates may trim
// contents, so the trimmed text is looked for, and blanks behind it stay where they were kept.
void EndWithLastMessage(const Value& messages, std::string& text) {
  const std::string_view last = LastText(messages);
  const std::string_view trimmed = Trimmed(last);
  const size_t at = trimmed.empty() ? std::string::npos : text.rfind(trimmed);
  if (at == std::string::npos) {
    throw InvalidRequest("continue_final_message",
                         "'continue_final_message' needs a last message whose text the model's "
                         "chat template writes out");
  }
  const std::string_view rest = last.substr(static_cast<size_t>(trimmed.data() - last.data()));
  const bool kept = text.compare(at, rest.size(), rest) == 0;
  text.resize(at + (kept ? rest.size() : trimmed.size()));
}

}  // namespace

std::string RenderConversation(const ChatTemplate& chat_template,
                               const Conversation& conversation) {
  ChatInput input{.messages = FitForTemplate(chat_template, conversation.messages),
                  .generation_prompt = conversation.add_generation_prompt ? GenerationPrompt::kAdd
                                                                          : GenerationPrompt::kNone,
                  .variables = conversation.template_variables,
                  .now = std::chrono::system_clock::now()};
  std::string text = chat_template.Render(input).text;
  if (conversation.continue_final_message) EndWithLastMessage(input.messages, text);
  return text;
}

}  // namespace tandem
