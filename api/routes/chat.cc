#include "api/routes/chat.h"

#include "api/openai/chat_format.h"
#include "api/openai/chat_request.h"
#include "api/routes/chat_prompt.h"

namespace tandem {

Reply ChatRoute::operator()(Call& call) {
  const ServedModel& model = generator_.model();
  ChatRequest ask = ParseChatRequest(call.request.body, model.defaults);
  call.request.body = std::string();
  CheckModelName(model, ask.model);
  if (model.chat_template == nullptr) FailWithoutChatTemplate(model.names.front());
  const std::string text = RenderConversation(*model.chat_template, ask.conversation);
  // The template wrote what begins a text itself.
  std::vector<EncodedPrompt> prompts{generator_.Encode(text, SpecialTokens::kNone, "messages")};
  generator_.Check(ask, prompts, "messages");
  auto format = std::make_unique<ChatFormat>(model.tokenizer, "chatcmpl-" + call.request.id,
                                             model.names.front(), UnixNow());
  return generator_.Start(call, std::move(ask), std::move(prompts), std::move(format));
}

}  // namespace tandem
