#include "api/routes/text_routes.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "api/openai/chat_request.h"
#include "api/openai/json_text.h"
#include "api/openai/request_fields.h"
#include "api/openai/token_text.h"
#include "api/routes/chat_prompt.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

std::vector<TokenId> EncodeConversation(const ServedModel& model, const RequestFields& fields,
                                        const HttpRequest& request, SpecialTokens special) {
  if (model.chat_template == nullptr) FailWithoutChatTemplate(model.names.front());
  const Conversation conversation = ReadConversation(fields, request.body);
  return model.tokenizer.Encode(RenderConversation(*model.chat_template, conversation), special);
}

// {"prompt": text} or {"messages": [...]}; a longer text than the context holds is no error here.
HttpResponse Tokenize(const ServedModel& model, const HttpRequest& request) {
  const Json json = ParseRequestObject(request.body);
  const RequestFields fields(json);
  CheckModelName(model, fields.String("model").value_or(""));
  const std::optional<std::string> prompt = fields.String("prompt");
  if (prompt.has_value() == fields.Has("messages")) {
    throw InvalidRequest("prompt", "exactly one of 'prompt' and 'messages' must be given");
  }
  // A template writes its special tokens itself.
  const bool add_special = fields.Bool("add_special_tokens").value_or(prompt.has_value());
  const bool with_strings = fields.Bool("return_token_strs").value_or(false);
  const auto special = add_special ? SpecialTokens::kAdd : SpecialTokens::kNone;
  const std::vector<TokenId> ids = prompt ? model.tokenizer.Encode(*prompt, special)
                                          : EncodeConversation(model, fields, request, special);
  std::string out = R"({"count":)" + std::to_string(ids.size());
  out.append(R"(,"max_model_len":)").append(std::to_string(model.max_context));
  out.append(R"(,"tokens":)");
  AppendTokenIds(ids, out);
  out.append(R"(,"token_strs":)");
  if (!with_strings) return {.body = out + "null}"};
  out.push_back('[');
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendJsonString(TokenLabel(model.tokenizer, ids[i]), out);
  }
  return {.body = out + "]}"};
}

HttpResponse Detokenize(const ServedModel& model, const HttpRequest& request) {
  const Json json = ParseRequestObject(request.body);
  const RequestFields fields(json);
  CheckModelName(model, fields.String("model").value_or(""));
  const auto ids = fields.TokenIds("tokens");
  if (!ids) throw InvalidRequest("tokens", "'tokens' is missing");
  for (const TokenId id : *ids) CheckVocabulary(model, id, "tokens");
  std::string out = R"({"prompt":)";
  AppendJsonString(model.tokenizer.Decode(*ids, /*skip_special=*/false), out);
  return {.body = out + "}"};
}

void AppendToken(const Tokenizer& tokenizer, const char* name, std::optional<TokenId> id,
                 std::string& out) {
  out.append("\"").append(name).append("_token\":");
  if (id) {
    AppendJsonString(TokenLabel(tokenizer, *id), out);
  } else {
    out.append("null");
  }
  out.append(",\"").append(name).append("_token_id\":");
  out.append(id ? std::to_string(*id) : "null").push_back(',');
}

std::optional<TokenId> PadToken(const ServedModel& model) {
  if (model.chat_template == nullptr) return std::nullopt;
  for (const auto& [name, value] : model.chat_template->tokens()) {
    if (name == "pad_token") return model.tokenizer.FindToken(value.AsText());
  }
  return std::nullopt;
}

HttpResponse TokenizerInfo(const ServedModel& model) {
  std::string out = "{";
  AppendToken(model.tokenizer, "bos", model.tokenizer.bos_id(), out);
  AppendToken(model.tokenizer, "eos", model.tokenizer.eos_id(), out);
  AppendToken(model.tokenizer, "pad", PadToken(model), out);
  out.append(R"("vocab_size":)").append(std::to_string(model.vocab_size));
  out.append(R"(,"model_max_length":)").append(std::to_string(model.max_context));
  out.append(R"(,"chat_template":)");
  if (model.chat_template == nullptr) return {.body = out + "null}"};
  AppendJsonString(model.chat_template->source(), out);
  return {.body = out + "}"};
}

}  // namespace

std::vector<Route> TextRoutes(const Generator& generator) {
  const ServedModel& model = generator.model();
  return {
      {"POST", "/tokenize", RouteAccess::kKey,
       [&model](Call& call) { return Tokenize(model, call.request); }},
      {"POST", "/detokenize", RouteAccess::kKey,
       [&model](Call& call) { return Detokenize(model, call.request); }},
      {"GET", "/tokenizer_info", RouteAccess::kKey,
       [&model](Call&) { return TokenizerInfo(model); }},
  };
}

}  // namespace tandem
