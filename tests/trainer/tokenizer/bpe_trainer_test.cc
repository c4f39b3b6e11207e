// Merges against Hugging Face tokenizers'; tests/golden/make_trained_tokenizers.py writes them.

#include "trainer/tokenizer/bpe_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "trainer/tokenizer/count_words.h"

namespace tandem {
namespace {

using nlohmann::json;
using Strings = std::vector<std::string>;

const std::filesystem::path kGolden = TANDEM_SOURCE_DIR "/tests/golden/trained";
const std::filesystem::path kData = TANDEM_SOURCE_DIR "/../shared/data/pretrain";
const Strings kChatMl = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};

json Golden() {
  std::ifstream in(kGolden / "merges.json");
  EXPECT_TRUE(in);
  return json::parse(in);
}

KnownPattern PatternOf(const json& row) {
  if (row["pattern"] == "llama3") return KnownPattern::kLlama3;
  if (row["pattern"] == "qwen2") return KnownPattern::kQwen;
  EXPECT_EQ(row["pattern"], "gpt2");
  return KnownPattern::kGpt2;
}

BpeTrainingOptions OptionsOf(const json& row) {
  return {.vocab_size = row["vocab_size"], .min_frequency = row["min_frequency"]};
}

WordCounts WordsOf(const std::vector<std::filesystem::path>& paths, const json& row,
                   int num_threads, size_t part_bytes) {
  const auto unit = row["text_unit"] == "file" ? TextUnit::kFile : TextUnit::kLine;
  const CorpusReader corpus(paths, unit, part_bytes);
  ThreadPool pool(num_threads);
  return CountWords(corpus, PatternOf(row), pool);
}

std::string MergeText(const TrainedBpe& bpe, std::pair<TokenId, TokenId> merge) {
  return bpe.tokens[static_cast<size_t>(merge.first)] + " " +
         bpe.tokens[static_cast<size_t>(merge.second)];
}

Strings MergeTexts(const TrainedBpe& bpe) {
  Strings texts;
  for (const auto& merge : bpe.merges) texts.push_back(MergeText(bpe, merge));
  return texts;
}

WordCounts Words(const std::vector<std::pair<std::string, int64_t>>& words) {
  WordCounts counts;
  for (const auto& [word, count] : words) counts.Add(word, count);
  return counts;
}

Strings Learned(const WordCounts& words, BpeTrainingOptions options) {
  return MergeTexts(TrainBpe(words, {}, options));
}

TEST(BpeTrainer, LearnsTheMergesOfTheReference) {
  const std::vector<std::filesystem::path> paths = {kGolden / "corpus.txt",
                                                    kGolden / "chats.jsonl"};
  const json golden = Golden();
  for (const json& row : golden["rows"]) {
    for (const int num_threads : {1, 3}) {
      SCOPED_TRACE(row["pattern"].get<std::string>() + " " + row["vocab_size"].dump() + " on " +
                   std::to_string(num_threads));
      const WordCounts words = WordsOf(paths, row, num_threads, 100);
      const TrainedBpe bpe = TrainBpe(words, kChatMl, OptionsOf(row));
      EXPECT_EQ(MergeTexts(bpe), row["merges"].get<Strings>());
      EXPECT_EQ(bpe.tokens.size(), row["num_tokens"]);
      EXPECT_EQ(bpe.num_corpus_tokens, row["num_corpus_tokens"]);
    }
  }
}

TEST(BpeTrainer, LearnsTheMergesOfTheReferenceFromALargerCorpus) {
  const json golden = Golden()["large"];
  std::vector<std::filesystem::path> paths;
  for (const std::string name : golden["files"]) {
    paths.push_back(kData / name);
    if (!std::filesystem::exists(paths.back())) GTEST_SKIP() << paths.back() << " is not there";
  }
  for (const json& row : golden["rows"]) {
    const WordCounts words = WordsOf(paths, row, 2, size_t{1} << 16);
    const TrainedBpe bpe = TrainBpe(words, kChatMl, OptionsOf(row));
    ASSERT_EQ(bpe.merges.size(), row["num_merges"]);
    EXPECT_EQ(bpe.num_corpus_tokens, row["num_corpus_tokens"]);
    uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
    for (size_t rank = 0; rank < bpe.merges.size(); ++rank) {
      const std::string text = (rank > 0 ? "\n" : "") + MergeText(bpe, bpe.merges[rank]);
      for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
    }
    EXPECT_EQ(hash, std::stoull(row["fnv1a_of_merges"].get<std::string>(), nullptr, 16));
  }
}

TEST(BpeTrainer, MergesTheMostFrequentPairThenTheOneOfLowestIds) {
  // b-c is the most frequent; of a-b and x-y, equal in number, a has the lower id.
  const WordCounts words = Words({{"bc", 5}, {"xy", 3}, {"ab", 3}});
  EXPECT_EQ(Learned(words, {.vocab_size = 259}), (Strings{"b c", "a b", "x y"}));
  EXPECT_EQ(Learned(words, {.vocab_size = 257}), Strings{"b c"});
}

TEST(BpeTrainer, DoesNotDependOnTheOrderOfWords) {
  const WordCounts words = WordsOf({kGolden / "corpus.txt"}, Golden()["rows"][0], 1, 1000);
  std::vector<std::pair<std::string, int64_t>> list;
  for (const auto& entry : words.entries()) list.emplace_back(words.Text(entry), entry.count);
  std::ranges::reverse(list);
  EXPECT_EQ(Learned(Words(list), {.vocab_size = 900}), Learned(words, {.vocab_size = 900}));
}

TEST(BpeTrainer, StopsBelowTheLeastFrequency) {
  const WordCounts words = Words({{"ab", 3}, {"cd", 2}, {"ef", 1}});
  EXPECT_EQ(Learned(words, {.vocab_size = 1000, .min_frequency = 2}), (Strings{"a b", "c d"}));
  EXPECT_EQ(Learned(words, {.vocab_size = 1000}), (Strings{"a b", "c d", "e f"}));
}

TEST(BpeTrainer, CountsARunOnceAPlaceAndMergesItFromTheLeft) {
  const TrainedBpe bpe = TrainBpe(Words({{"aaaaa", 1}}), {}, {.vocab_size = 257});
  EXPECT_EQ(MergeTexts(bpe), Strings{"a a"});
  EXPECT_EQ(bpe.num_corpus_tokens, 3);  // aa aa a
}

TEST(BpeTrainer, GivesSpecialTokensTheFirstIdsAndBytesTheNext) {
  const TrainedBpe bpe = TrainBpe(Words({{" a", 1}}), kChatMl, {.vocab_size = 260});
  EXPECT_EQ(Strings(bpe.tokens.begin(), bpe.tokens.begin() + 3), kChatMl);
  EXPECT_EQ(bpe.tokens[3], "!");
  EXPECT_EQ(bpe.tokens[258], "\u0143");  // the last character of the byte alphabet
  EXPECT_EQ(bpe.tokens[259],
            "\u0120"
            "a");
}

TEST(BpeTrainer, RefusesAVocabularyWithoutRoomForTheBytes) {
  const auto train = [] { TrainBpe(Words({{"a", 1}}), kChatMl, {.vocab_size = 258}); };
  EXPECT_TRUE(Contains(MessageOf<ConfigError>(train), "at least 259"));
}

}  // namespace
}  // namespace tandem
