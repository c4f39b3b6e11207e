// vocab.json and merges.txt: the files are refused, or make a tokenizer whose ids lie in its
// vocabulary and whose text is valid. An input is a choice of class, the vocabulary, NUL, the
// merges.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/text/unicode.h"
#include "engine/text/vocabulary_and_merges.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

namespace tandem {
namespace {

constexpr std::string_view kTexts[] = {"", "a b  ab", " Hello, world! 1234\n",
                                       "cafe\u0301 <s>ab</s> it's\r\n", "\xF0\x9F\x98\x80\xFF\xE4"};

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  FuzzInput input(data, size);
  TokenizerConfig config;
  constexpr const char* kClasses[] = {"", "GPT2Tokenizer", "Qwen2Tokenizer", "CLIPTokenizer"};
  const uint8_t choice = input.TakeByte();
  config.tokenizer_class = kClasses[choice % 4];
  config.add_prefix_space = (choice & 4) != 0;
  config.special_tokens = {"<s>", "</s>"};
  const std::string_view rest = input.TakeRest();
  const size_t end = std::min(rest.find('\0'), rest.size());
  const MemoryFile vocabulary(rest.substr(0, end));
  const MemoryFile merges(rest.substr(std::min(end + 1, rest.size())));
  try {
    const auto tokenizer = LoadVocabularyAndMerges(vocabulary.path(), merges.path(), config);
    for (const std::string_view text : kTexts) {
      const std::vector<TokenId> ids = tokenizer->Encode(text, SpecialTokens::kAdd);
      for (const TokenId id : ids) CHECK(id >= 0 && id < tokenizer->vocab_size(), id);
      CHECK(IsValidUtf8(tokenizer->Decode(ids)));
    }
  } catch (const FormatError&) {
  }
  return 0;
}
