#include "trainer/tokenizer/corpus_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using Strings = std::vector<std::string>;

Strings UnitsOf(const CorpusReader& corpus) {
  Strings units;
  for (const auto& part : corpus.parts()) {
    corpus.ForEachUnit(part, [&](std::string_view unit) { units.emplace_back(unit); });
  }
  return units;
}

TEST(CorpusReader, TakesTheLinesOfPlainTextWithTheirEnds) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("a.txt", "one\n\ntwo\r\nthree");
  for (const size_t part_bytes : {1, 5, 1000}) {
    const CorpusReader corpus({path}, TextUnit::kLine, part_bytes);
    EXPECT_EQ(UnitsOf(corpus), (Strings{"one\n", "\n", "two\r\n", "three"})) << part_bytes;
    EXPECT_EQ(corpus.size_bytes(), 15);
  }
}

TEST(CorpusReader, TakesAWholeFileWhenAskedTo) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("a.txt", "one\ntwo\n");
  const auto empty = directory.Write("b.txt", "");
  EXPECT_EQ(UnitsOf(CorpusReader({path, empty}, TextUnit::kFile, 1)), Strings{"one\ntwo\n"});
}

TEST(CorpusReader, JoinsTheContentsOfAConversation) {
  const TemporaryDirectory directory;
  const auto path =
      directory.Write("a.jsonl", R"({"text": "one\ntwo"})"
                                 "\n \n"
                                 R"({"conversations": [{"role": "system", "content": ""},)"
                                 R"( {"content": "hi"}, {"content": null}, {"content": "ho"}]})"
                                 "\n"
                                 R"({"conversations": []})");
  for (const size_t part_bytes : {1, 1000}) {
    EXPECT_EQ(UnitsOf(CorpusReader({path}, TextUnit::kFile, part_bytes)),
              (Strings{"one\ntwo", "hi\nho"}));
  }
}

TEST(CorpusReader, NamesTheLineThatIsBroken) {
  const TemporaryDirectory directory;
  const auto message = [&](const std::string& content) {
    const auto path = directory.Write("a.jsonl", content);
    return MessageOf<FormatError>([&] { UnitsOf(CorpusReader({path}, TextUnit::kLine, 1)); });
  };
  EXPECT_TRUE(Contains(message("{\"text\": \"a\"}\n{\"text\": \"b\n"), "a.jsonl:2"));
  EXPECT_TRUE(Contains(message("\n\n{\"prompt\": \"a\"}\n"), "a.jsonl:3: is not an object with"));
  EXPECT_TRUE(Contains(message("{\"text\": 1}\n"), "a.jsonl:1"));
  EXPECT_TRUE(Contains(message("[]\n"), "a.jsonl:1"));
}

TEST(CorpusReader, ReplacesWhatIsNotUtf8) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("a.txt",
                                    "a\xff"
                                    "b\n");
  EXPECT_EQ(UnitsOf(CorpusReader({path}, TextUnit::kLine)), Strings{"a\uFFFD"
                                                                    "b\n"});
}

TEST(CorpusReader, RefusesWhatIsNotText) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("a.bin", std::string("PAR1\0\1", 6));
  const auto read = [&] { CorpusReader({path}, TextUnit::kLine); };
  EXPECT_TRUE(Contains(MessageOf<FormatError>(read), "not text"));
  const auto missing = [&] { CorpusReader({directory / "none.txt"}, TextUnit::kLine); };
  EXPECT_TRUE(Contains(MessageOf<FormatError>(missing), "none.txt"));
}

}  // namespace
}  // namespace tandem
