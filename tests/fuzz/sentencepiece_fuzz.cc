// tokenizer.model: bytes are refused, or make a tokenizer whose ids lie in its vocabulary and whose
// text is valid.

#include <memory>
#include <string>
#include <vector>

#include "engine/text/sentencepiece_model_options.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/unicode.h"
#include "tests/fuzz/fuzz_target.h"

namespace tandem {
namespace {

constexpr std::string_view kTexts[] = {"", "a b  ab", " Hello, world!\n", "caf\xC3\xA9 <s>ab</s>",
                                       "\xF0\x9F\x98\x80\xFF\xE4"};

void CheckTokenizer(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<TokenId> ids = tokenizer.Encode(text, SpecialTokens::kAdd);
  for (const TokenId id : ids) CHECK(id >= 0 && id < tokenizer.vocab_size(), id);
  CHECK(IsValidUtf8(tokenizer.Decode(ids)));
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  FuzzInput input(data, size);
  TokenizerConfig config;
  config.legacy = input.TakeByte() % 2 == 0;
  const std::string model(input.TakeRest());
  try {
    ReadSentencePieceModelOptions(model);
    const SentencePieceTokenizer tokenizer(model, config);
    for (const std::string_view text : kTexts) CheckTokenizer(tokenizer, text);
  } catch (const FormatError&) {
  }
  return 0;
}
