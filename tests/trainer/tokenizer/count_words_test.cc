#include "trainer/tokenizer/count_words.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using Counts = std::map<std::string, int64_t>;

Counts CountsOf(const WordCounts& words) {
  Counts counts;
  for (const auto& entry : words.entries()) {
    EXPECT_TRUE(counts.emplace(words.Text(entry), entry.count).second);
  }
  return counts;
}

TEST(CountWords, CountsTheWordsOfAUnit) {
  WordCounts words;
  AddWords(KnownPattern::kGpt2, "the ship's ship, the  sea", &words);
  EXPECT_EQ(
      CountsOf(words),
      (Counts{{"the", 1}, {" ship", 2}, {"'s", 1}, {",", 1}, {" the", 1}, {" ", 1}, {" sea", 1}}));
  EXPECT_EQ(words.num_words(), 8);
  EXPECT_EQ(words.total_bytes(), 25);
}

TEST(CountWords, AreTheSameOnAnyNumberOfThreads) {
  const TemporaryDirectory directory;
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "word" + std::to_string(i % 1777) + " and 词 " + "\n";
  const auto path = directory.Write("a.txt", text);
  const CorpusReader corpus({path}, TextUnit::kLine, 777);
  ThreadPool one(1);
  const Counts alone = CountsOf(CountWords(corpus, KnownPattern::kQwen, one));
  EXPECT_EQ(alone.at(" and"), 5000);
  for (const int num_threads : {2, 5}) {
    ThreadPool pool(num_threads);
    const WordCounts words = CountWords(corpus, KnownPattern::kQwen, pool);
    EXPECT_EQ(CountsOf(words), alone);
    EXPECT_EQ(words.total_bytes(), static_cast<int64_t>(text.size()));
  }
}

TEST(CountWords, ReportsTheFirstBrokenLine) {
  const TemporaryDirectory directory;
  std::string text;
  for (int i = 0; i < 100; ++i) text += i == 40 || i > 60 ? "broken\n" : "{\"text\": \"a\"}\n";
  const auto path = directory.Write("a.jsonl", text);
  const CorpusReader corpus({path}, TextUnit::kLine, 1);
  ThreadPool pool(4);
  const auto count = [&] { CountWords(corpus, KnownPattern::kGpt2, pool); };
  EXPECT_TRUE(Contains(MessageOf<FormatError>(count), "a.jsonl:41"));
}

}  // namespace
}  // namespace tandem
