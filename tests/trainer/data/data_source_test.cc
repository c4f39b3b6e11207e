#include "trainer/data/data_source.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

using Found = std::vector<std::pair<int64_t, std::string>>;  // line, text

struct AllDocuments {
  Found documents;
  int64_t num_blank = 0;
  int64_t num_lines = 0;
};

AllDocuments Read(std::string_view content, DataFormat format, std::optional<std::string> separator,
                  size_t block_bytes) {
  const DocumentSplit split(content, format, std::move(separator));
  AllDocuments all;
  size_t end = 0;
  for (const SourceBlock& block : split.Blocks(block_bytes)) {
    EXPECT_EQ(block.begin, end);
    EXPECT_EQ(block.first_line, all.num_lines + 1);
    end = block.end;
    all.num_lines += block.num_lines;
    const auto read = split.DocumentsIn(block);
    for (const SourceDocument& document : read.documents) {
      all.documents.emplace_back(document.line, document.text);
    }
    all.num_blank += read.num_blank;
  }
  EXPECT_EQ(end, content.size());
  return all;
}

TEST(DataSource, EveryLineOfRecordsIsADocumentWhateverTheBlocks) {
  const std::string content = "{\"text\": 1}\r\n\n  \n{\"text\": 2}\n{\"text\": 3}";
  for (const size_t block_bytes : {1, 5, 20, 1000}) {
    const AllDocuments all = Read(content, DataFormat::kTextRecords, {}, block_bytes);
    EXPECT_EQ(all.documents,
              (Found{{1, "{\"text\": 1}"}, {4, "{\"text\": 2}"}, {5, "{\"text\": 3}"}}));
    EXPECT_EQ(all.num_blank, 2);
    EXPECT_EQ(all.num_lines, 5);
  }
}

TEST(DataSource, PlainTextIsOneDocumentWithoutASeparator) {
  const AllDocuments all = Read("\n\nOne\n\ntwo\n", DataFormat::kPlainText, {}, 1);
  EXPECT_EQ(all.documents, (Found{{3, "One\n\ntwo"}}));
}

TEST(DataSource, ASeparatorIsAWholeLine) {
  const std::string content =
      "One.\nStill one.\n<|endoftext|>\r\n\nTwo, not <|endoftext|> here.\n\n<|endoftext|>\n"
      "<|endoftext|>\nThree.";
  for (const size_t block_bytes : {1, 30, 1000}) {
    const AllDocuments all = Read(content, DataFormat::kPlainText, "<|endoftext|>", block_bytes);
    EXPECT_EQ(all.documents,
              (Found{{1, "One.\nStill one."}, {5, "Two, not <|endoftext|> here."}, {9, "Three."}}));
    EXPECT_EQ(all.num_blank, 1);
    EXPECT_EQ(all.num_lines, 9);
  }
}

TEST(DataSource, AnEmptySeparatorIsABlankLine) {
  const AllDocuments all = Read("a\nb\n\nc\n\n\nd\n", DataFormat::kPlainText, "", 4);
  EXPECT_EQ(all.documents, (Found{{1, "a\nb"}, {4, "c"}, {7, "d"}}));
}

TEST(DataSource, FindsTheFormat) {
  EXPECT_EQ(ResolveFormat({.path = "a.txt"}, "{\"text\": \"x\"}"), DataFormat::kPlainText);
  EXPECT_EQ(ResolveFormat({.path = "a.jsonl"}, "\xEF\xBB\xBF\n{\"text\": \"x\"}\nbroken"),
            DataFormat::kTextRecords);
  EXPECT_EQ(ResolveFormat({.path = "a.json"}, "broken\n5\n{\"conversations\": []}"),
            DataFormat::kConversations);
  EXPECT_EQ(ResolveFormat({.path = "a.jsonl", .format = DataFormat::kPlainText}, "x"),
            DataFormat::kPlainText);
}

TEST(DataSource, SaysWhatItCannotTell) {
  const auto message = [](std::string_view content) {
    return MessageOf<FormatError>([&] { ResolveFormat({.path = "a.jsonl"}, content); });
  };
  for (const char* content :
       {"[\n {\"text\": \"x\"},\n]", "{\"instruction\": \"x\"}", "", "broken\n"}) {
    EXPECT_TRUE(Contains(message(content), "a.jsonl: its first lines hold neither"));
  }
}

}  // namespace
}  // namespace tandem
