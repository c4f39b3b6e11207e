// Learning a tokenizer from any text: what is written loads, and gives the text back.

#include <string>
#include <vector>

#include "engine/text/tokenizer.h"
#include "engine/text/unicode.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/temporary_directory.h"
#include "trainer/tokenizer/count_words.h"
#include "trainer/tokenizer/tokenizer_writer.h"

namespace tandem {
namespace {

void CheckLearned(const CorpusReader& corpus, KnownPattern pattern, uint8_t num_merges,
                  const TemporaryDirectory& directory) {
  ThreadPool pool(1);
  const WordCounts words = CountWords(corpus, pattern, pool);
  const auto added = AddedTokensOf(TokenPreset::kChatMl);
  std::vector<std::string> names;
  for (const auto& token : added) names.emplace_back(token.content);
  const TrainedBpe bpe = TrainBpe(words, names, {.vocab_size = 259 + num_merges});
  CHECK(bpe.tokens.size() <= 259u + num_merges && bpe.merges.size() + 259 >= bpe.tokens.size());
  CHECK(bpe.num_corpus_tokens >= static_cast<int64_t>(words.num_words()));
  WriteTokenizer({.bpe = bpe, .pattern = pattern, .added_tokens = added}, directory.path());
  const auto tokenizer = LoadTokenizer(directory.path());
  CHECK(tokenizer->vocab_size() == static_cast<int64_t>(bpe.tokens.size()));
  for (const auto& part : corpus.parts()) {
    corpus.ForEachUnit(part, [&](std::string_view unit) {
      const auto ids = tokenizer->Encode(unit, SpecialTokens::kNone);
      CHECK(tokenizer->Decode(ids, false) == unit, unit);
    });
  }
}

}  // namespace
}  // namespace tandem

// The first two bytes choose, the rest is the file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  static const TemporaryDirectory directory;
  FuzzInput input(data, size);
  const uint8_t choice = input.TakeByte();
  const uint8_t num_merges = input.TakeByte();
  const auto path = directory.Write((choice & 1) != 0 ? "a.jsonl" : "a.txt", input.TakeRest());
  const auto unit = (choice & 2) != 0 ? TextUnit::kFile : TextUnit::kLine;
  constexpr KnownPattern kPatterns[] = {KnownPattern::kGpt2, KnownPattern::kLlama3,
                                        KnownPattern::kQwen};
  try {
    CheckLearned(CorpusReader({path}, unit, 64), kPatterns[choice / 4 % 3], num_merges, directory);
  } catch (const FormatError&) {
  }
  return 0;
}
