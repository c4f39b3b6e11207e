// Any bytes through the BPE tokenizers of tests/golden/text: ids lie in the vocabulary, the cache
// of words changes nothing, and where a tokenizer loses nothing the text comes back.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/text/tokenizer.h"
#include "engine/text/unicode.h"
#include "tests/fuzz/fuzz_target.h"

namespace tandem {
namespace {

using Ids = std::vector<TokenId>;

std::unique_ptr<const Tokenizer> LoadGolden(const std::string& name) {
  return LoadTokenizer(TANDEM_SOURCE_DIR "/tests/golden/text/" + name);
}

// Encodes twice: the second time words come from the cache.
Ids EncodeChecked(const Tokenizer& tokenizer, std::string_view text) {
  const Ids ids = tokenizer.Encode(text, SpecialTokens::kNone);
  CHECK(tokenizer.Encode(text, SpecialTokens::kNone) == ids);
  for (const TokenId id : ids) {
    CHECK(id >= 0 && id < tokenizer.vocab_size(), id);
    CHECK(!tokenizer.TokenBytes(id).empty(), id);
  }
  CHECK(IsValidUtf8(tokenizer.Decode(ids)));
  return ids;
}

bool HasSpecial(const Tokenizer& tokenizer, const Ids& ids) {
  return std::any_of(ids.begin(), ids.end(), [&](TokenId id) { return tokenizer.IsSpecial(id); });
}

// Llama 2's kind writes spaces as U+2581, so that one in the text becomes a space.
std::string WithoutWordMarks(std::string text) {
  constexpr std::string_view kWordMark = "\xE2\x96\x81";
  for (size_t at = 0; (at = text.find(kWordMark, at)) != text.npos;) {
    text.replace(at, kWordMark.size(), " ");
  }
  return text;
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  static const auto byte_level = LoadGolden("byte_level");
  static const auto llama3 = LoadGolden("llama3");
  static const auto prefix_space = LoadGolden("prefix_space");
  static const auto characters = LoadGolden("character_level");
  const std::string_view bytes = AsText(data, size);
  const std::string text = ReplaceInvalidUtf8(bytes);

  CHECK(llama3->Decode(EncodeChecked(*llama3, bytes), /*skip_special=*/false) == text);
  // The others strip around some tokens, normalise, or prefix: only without special tokens exact.
  EncodeChecked(*prefix_space, bytes);
  const Ids plain = EncodeChecked(*byte_level, bytes);
  if (!HasSpecial(*byte_level, plain)) CHECK(byte_level->Decode(plain) == text);
  const Ids marked = EncodeChecked(*characters, bytes);
  if (!HasSpecial(*characters, marked)) {
    CHECK(characters->Decode(marked) == WithoutWordMarks(text));
  }
  return 0;
}
