#include "api/routes/completions.h"

#include "api/openai/completion_format.h"
#include "kernels/core/error.h"

namespace tandem {

Reply CompletionsRoute::operator()(Call& call) {
  const ServedModel& model = generator_.model();
  CompletionRequest ask = ParseCompletionRequest(call.request.body, model.defaults);
  call.request.body = std::string();
  CheckModelName(model, ask.model);
  std::vector<EncodedPrompt> prompts;
  for (const CompletionPrompt& prompt : ask.prompts) prompts.push_back(EncodePrompt(prompt));
  generator_.Check(ask, prompts, "prompt");
  auto format = std::make_unique<CompletionFormat>(model.tokenizer, "cmpl-" + call.request.id,
                                                   model.names.front(), UnixNow());
  return generator_.Start(call, std::move(ask), std::move(prompts), std::move(format));
}

EncodedPrompt CompletionsRoute::EncodePrompt(const CompletionPrompt& prompt) const {
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    return generator_.Encode(*text, SpecialTokens::kAdd, "prompt");
  }
  const ServedModel& model = generator_.model();
  EncodedPrompt encoded{.ids = std::get<std::vector<TokenId>>(prompt)};
  if (encoded.ids.empty()) throw InvalidRequest("prompt", "'prompt' must have at least one token");
  for (const TokenId id : encoded.ids) CheckVocabulary(model, id, "prompt");
  // Special tokens are no text to continue: after bos alone a completion starts a text.
  encoded.text = model.tokenizer.Decode(encoded.ids, /*skip_special=*/true);
  return encoded;
}

}  // namespace tandem
