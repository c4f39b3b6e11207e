#pragma once
// A conversation as the text that the model is given. Pure; any thread.

#include <string>

#include "api/openai/chat_request.h"
#include "engine/text/chat_template.h"

namespace tandem {

// Throws InvalidRequest when the template refuses the conversation.
std::string RenderConversation(const ChatTemplate& chat_template, const Conversation& conversation);

}  // namespace tandem
