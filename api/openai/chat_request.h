#pragma once
// POST /v1/chat/completions: what a client asks, typed and bounded.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/openai/generation_request.h"
#include "engine/text/jinja/value.h"

namespace tandem {

// A conversation, and how it is to be written as a prompt.
struct Conversation {
  jinja::Value messages;  // a list of objects with a role; contents are text or lists of text parts
  bool add_generation_prompt = true;
  bool continue_final_message = false;  // the answer goes on where the last message ends
  std::vector<std::pair<std::string, jinja::Value>> template_variables;  // chat_template_kwargs
};

struct ChatRequest : GenerationRequest {
  static constexpr size_t kMaxMessages = 4096;

  Conversation conversation;
};

// As ReadGenerationFields says.
ChatRequest ParseChatRequest(std::string_view body, const GenerationConfig& defaults);

// The conversation alone, of `body`, whose fields these are: /tokenize has it too.
Conversation ReadConversation(const RequestFields& fields, std::string_view body);

}  // namespace tandem
