#include "api/openai/chat_request.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "engine/text/jinja/json_value.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

using jinja::Dict;
using jinja::Value;

// "chat_template": a request never brings a program along.
constexpr const char* kUnsupported[] = {
    "chat_template",      "documents",           "audio",           "echo",
    "web_search_options", "mm_processor_kwargs", "return_token_ids"};
constexpr const char* kLengthNames[] = {"max_completion_tokens", "max_tokens"};

constexpr int64_t kMaxTopLogprobs = 20;

[[noreturn]] void FailMessages(const std::string& where, const std::string& what) {
  throw InvalidRequest(where, "'" + where + "' " + what);
}

const Value* FindSet(const Dict& object, std::string_view name) {
  const Value* value = object.Find(name);
  return value == nullptr || value->IsNone() ? nullptr : value;
}

void CheckPart(const Value& part, const std::string& where) {
  if (!part.IsDict()) FailMessages(where, "must be an object");
  const Value* type = FindSet(part.dict(), "type");
  if (type == nullptr || !type->IsText()) FailMessages(where + ".type", "must be a string");
  if (type->AsText() != "text") {
    FailMessages(where + ".type", "must be \"text\"; this server takes no other content");
  }
  const Value* text = FindSet(part.dict(), "text");
  if (text == nullptr || !text->IsText()) FailMessages(where + ".text", "must be a string");
}

void CheckMessage(const Value& message, const std::string& where) {
  if (!message.IsDict()) FailMessages(where, "must be an object");
  const Value* role = FindSet(message.dict(), "role");
  if (role == nullptr || !role->IsText() || role->AsText().empty()) {
    FailMessages(where + ".role", "must be a string such as \"user\"");
  }
  const Value* content = FindSet(message.dict(), "content");
  if (content == nullptr) {
    // An assistant that called tools may have said nothing.
    if (FindSet(message.dict(), "tool_calls") != nullptr) return;
    FailMessages(where + ".content", "is missing");
  }
  if (content->IsText()) return;
  if (!content->IsList()) FailMessages(where + ".content", "must be a string or a list of parts");
  const auto& parts = content->list().items;
  for (size_t i = 0; i < parts.size(); ++i) {
    CheckPart(parts[i], where + ".content[" + std::to_string(i) + "]");
  }
}

void CheckMessages(const Value& messages) {
  const auto& items = messages.list().items;
  if (items.empty()) FailMessages("messages", "must have at least one message");
  if (items.size() > ChatRequest::kMaxMessages) {
    FailMessages("messages", "has " + std::to_string(items.size()) + " messages; the limit is " +
                                 std::to_string(ChatRequest::kMaxMessages));
  }
  for (size_t i = 0; i < items.size(); ++i) {
    CheckMessage(items[i], "messages[" + std::to_string(i) + "]");
  }
}

std::vector<std::pair<std::string, Value>> ReadVariables(const RequestFields& fields,
                                                         const Dict& object) {
  if (fields.Object("chat_template_kwargs") == nullptr) return {};
  std::vector<std::pair<std::string, Value>> variables;
  for (const auto& [key, value] : object.Find("chat_template_kwargs")->dict().entries()) {
    variables.emplace_back(key.AsText(), value);
  }
  return variables;
}

void ReadLogprobs(const RequestFields& fields, ChatRequest& request) {
  const bool wanted = fields.Bool("logprobs").value_or(false);
  const auto top = fields.Integer("top_logprobs", 0, kMaxTopLogprobs);
  if (wanted) request.sampling.logprobs = static_cast<int32_t>(top.value_or(0));
  if (!wanted && top.value_or(0) > 0) {
    fields.Fail("top_logprobs", "is allowed only when 'logprobs' is true");
  }
}

}  // namespace

Conversation ReadConversation(const RequestFields& fields, std::string_view body) {
  const Json* list = fields.Find("messages");
  if (list == nullptr) fields.Fail("messages", "is missing");
  if (!list->is_array()) fields.Fail("messages", "must be an array of messages");
  Conversation conversation;
  // Read again as values that keep the order of names: templates print objects.
  const Value values = jinja::ParseValue(body, "the request's body", kRequestLimits);
  conversation.messages = *values.dict().Find("messages");
  CheckMessages(conversation.messages);
  conversation.template_variables = ReadVariables(fields, values.dict());
  conversation.continue_final_message = fields.Bool("continue_final_message").value_or(false);
  conversation.add_generation_prompt =
      fields.Bool("add_generation_prompt").value_or(!conversation.continue_final_message);
  if (conversation.continue_final_message && conversation.add_generation_prompt) {
    fields.Fail("continue_final_message", "and 'add_generation_prompt' exclude each other");
  }
  return conversation;
}

ChatRequest ParseChatRequest(std::string_view body, const GenerationConfig& defaults) {
  const Json json = ParseRequestObject(body);
  const RequestFields fields(json);
  RefuseUnsupported(fields, kUnsupported);
  ChatRequest request;
  request.conversation = ReadConversation(fields, body);
  ReadGenerationFields(fields, defaults, request);
  ReadLogprobs(fields, request);
  const auto length = ReadFirstInteger(fields, kLengthNames, 1);
  request.max_tokens_given = length.has_value();
  // Without a limit an answer may fill the context.
  request.sampling.max_tokens = length.value_or(std::numeric_limits<int32_t>::max());
  return request;
}

}  // namespace tandem
