// tokenizer.json: a file is refused, or makes a tokenizer whose ids lie in its vocabulary and whose
// text is valid.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/text/tokenizer_json.h"
#include "engine/text/unicode.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

namespace tandem {
namespace {

constexpr std::string_view kTexts[] = {"", "a b  ab", " Hello, world! 1234\n",
                                       "caf\xC3\xA9 <s>ab</s>", "\xF0\x9F\x98\x80\xFF\xE4"};

void CheckTokenizer(const Tokenizer& tokenizer, std::string_view text) {
  for (const SpecialTokens special : {SpecialTokens::kNone, SpecialTokens::kAdd}) {
    const std::vector<TokenId> ids = tokenizer.Encode(text, special);
    for (const TokenId id : ids) CHECK(id >= 0 && id < tokenizer.vocab_size(), id);
    CHECK(IsValidUtf8(tokenizer.Decode(ids)));
  }
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const MemoryFile file(AsText(data, size));
  try {
    const std::unique_ptr<const Tokenizer> tokenizer = LoadTokenizerJson(file.path(), {});
    // A pattern of the file may give up on a text: that is a FormatError too.
    for (const std::string_view text : kTexts) CheckTokenizer(*tokenizer, text);
  } catch (const FormatError&) {
  }
  return 0;
}
