#include "trainer/data/shard_builder.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"
#include "trainer/data/data_fingerprint.h"

namespace tandem {
namespace {

const std::filesystem::path kTokenizer = TANDEM_SOURCE_DIR "/tests/golden/text/byte_level";

class ShardBuilder : public testing::Test {
 protected:
  PreparedShard Prepare(const DataSource& source, const ShardOptions& options = {}) {
    return PrepareShard(inputs_, source, options, directory_ / "shards", pool_);
  }
  std::filesystem::path Fingerprinted(const std::string& name, std::string_view content,
                                      const ShardOptions& options = {}) {
    return Prepare({.path = directory_.Write(name, content)}, options).shard.name();
  }

  const std::unique_ptr<const Tokenizer> tokenizer_ = LoadTokenizer(kTokenizer);
  const ConversationRenderer renderer_{ChatTemplate(BuiltInChatMl(), "chatml")};
  const DataInputs inputs_{.tokenizer = *tokenizer_,
                           .tokenizer_fingerprint = FingerprintTokenizer(kTokenizer),
                           .renderer = &renderer_};
  TemporaryDirectory directory_;
  ThreadPool pool_{2};
};

constexpr std::string_view kMixed =
    "{\"text\": \"One kettle.\"}\n"
    "{\"text\": \"broken\n"
    "\n"
    "{\"text\": \"  \"}\n"
    "{\"text\": \"Two boats.\"}\n"
    "{\"text\": \"One kettle.\"}\n"
    "{\"text\": \"\xff\"}\n";

TEST_F(ShardBuilder, StopsWithEveryBadLine) {
  const auto path = directory_.Write("mixed.jsonl", kMixed);
  try {
    Prepare({.path = path});
    FAIL() << "no exception";
  } catch (const BadDataError& error) {
    EXPECT_TRUE(Contains(error.what(), "3 bad of 7 lines in " + path.string()));
    EXPECT_TRUE(Contains(error.what(), path.string() + ":2: JSON error"));
    EXPECT_TRUE(Contains(error.what(), path.string() + ":4: the text has only blanks"));
    EXPECT_TRUE(Contains(error.what(), path.string() + ":7: is not UTF-8 at byte 11"));
    EXPECT_EQ(error.report().bad_lines.size(), 3u);
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "shards")) {
    EXPECT_NE(entry.path().extension(), ".shard");  // the report is there, with all of it
  }
}

TEST_F(ShardBuilder, ListsAllOfManyBadLinesInItsReport) {
  std::string content = "{\"text\": \"One kettle.\"}\n";
  for (int i = 0; i < 500; ++i) content += "{}\n";
  const std::string message =
      MessageOf<BadDataError>([&] { Prepare({.path = directory_.Write("bad.jsonl", content)}); });
  EXPECT_TRUE(Contains(message, "bad.jsonl:21: has no \"text\"\nand 480 more\n"));
  const std::filesystem::path path = message.substr(message.rfind("all of them are in ") + 19);
  const std::string report = directory_.Read("shards/" + path.filename().string());
  EXPECT_TRUE(Contains(report, "bad.jsonl:501: has no \"text\"\n"));
}

TEST_F(ShardBuilder, GoesOnWithoutBadLinesWhenToldAndCountsThem) {
  const PreparedShard prepared =
      Prepare({.path = directory_.Write("mixed.jsonl", kMixed)}, {.on_bad_line = OnBadLine::kSkip});
  EXPECT_FALSE(prepared.was_there);
  EXPECT_EQ(prepared.shard.num_samples(), 3);
  const DataCounts expected{
      .num_lines = 7, .num_blank = 1, .num_documents = 3, .num_bad = 3, .num_duplicates = 1};
  EXPECT_EQ(prepared.report.counts, expected);
  EXPECT_EQ(prepared.shard.counts(), expected);
  ASSERT_EQ(prepared.report.duplicates.size(), 1u);
  EXPECT_EQ(prepared.report.duplicates[0].line, 6);
  EXPECT_EQ(prepared.report.duplicates[0].first_line, 1);
  EXPECT_EQ(prepared.shard.SampleLine(1), 5);
  const std::string text = directory_.Read("shards/" + prepared.report_path.filename().string());
  EXPECT_EQ(text, Summary(prepared.report) + "\n" + ListProblems(prepared.report));
}

TEST_F(ShardBuilder, RefusesFilesWithNothingToLearnFrom) {
  for (const char* content : {"", "\n\n"}) {
    const DataSource source{.path = directory_.Write("empty.jsonl", content),
                            .format = DataFormat::kTextRecords};
    EXPECT_TRUE(Contains(MessageOf<BadDataError>([&] { Prepare(source); }),
                         "has no document to learn from"));
  }
}

TEST_F(ShardBuilder, UsesTheShardThatIsThere) {
  const DataSource source{.path = directory_.Write("a.jsonl", "{\"text\": \"One kettle.\"}\n")};
  const PreparedShard first = Prepare(source);
  const PreparedShard second = Prepare(source);
  EXPECT_FALSE(first.was_there);
  EXPECT_TRUE(second.was_there);
  EXPECT_EQ(second.report.counts, first.report.counts);
  EXPECT_EQ(second.report.num_tokens, first.report.num_tokens);
  EXPECT_EQ(second.shard.CopySample(0).ids, first.shard.CopySample(0).ids);
  std::filesystem::resize_file(first.shard.name(), 60);
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { Prepare(source); }), "remove it"));
}

TEST_F(ShardBuilder, MakesAnotherShardForOtherTokenizerTextOrOptions) {
  const std::string text = "{\"text\": \"One kettle.\"}\n";
  const auto first = Fingerprinted("a.jsonl", text);
  EXPECT_EQ(Fingerprinted("a.jsonl", text), first);
  EXPECT_NE(Fingerprinted("a.jsonl", text + text), first);
  EXPECT_NE(Fingerprinted("a.jsonl", text, {.samples = {.max_tokens = 511}}), first);
  EXPECT_NE(Fingerprinted("a.jsonl", text, {.samples = {.form = SampleForm::kText}}), first);
  EXPECT_NE(Fingerprinted("a.jsonl", text, {.samples = {.too_long = TooLong::kCut}}), first);
  EXPECT_NE(Fingerprinted("a.jsonl", text, {.on_bad_line = OnBadLine::kSkip}), first);
  const DataInputs other{.tokenizer = *tokenizer_, .tokenizer_fingerprint = 1};
  const DataSource source{.path = directory_ / "a.jsonl"};
  EXPECT_NE(PrepareShard(other, source, {}, directory_ / "shards", pool_).shard.name(), first);
}

TEST_F(ShardBuilder, MakesAnotherShardForAnotherTemplateOrPreprocessing) {
  const std::string line =
      R"({"conversations": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})";
  const auto first = Fingerprinted("c.jsonl", line);
  const MiniMindPreprocessing prompted{.system_prompt_probability = 0.5};
  EXPECT_NE(Fingerprinted("c.jsonl", line, {.samples = {.preprocessing = prompted}}), first);
  const ConversationRenderer spaced(ChatTemplate(" " + std::string(BuiltInChatMl()), "spaced"));
  const DataInputs other{.tokenizer = *tokenizer_,
                         .tokenizer_fingerprint = inputs_.tokenizer_fingerprint,
                         .renderer = &spaced};
  EXPECT_NE(PrepareShard(other, {.path = directory_ / "c.jsonl"}, {}, directory_ / "shards", pool_)
                .shard.name(),
            first);
}

TEST_F(ShardBuilder, TokenizerFilesChangeTheirFingerprint) {
  const uint64_t before = FingerprintTokenizer(directory_.path());
  directory_.Write("tokenizer.json", "{}");
  const uint64_t with_file = FingerprintTokenizer(directory_.path());
  EXPECT_NE(with_file, before);
  directory_.Write("tokenizer.json", "{ }");
  EXPECT_NE(FingerprintTokenizer(directory_.path()), with_file);
}

TEST_F(ShardBuilder, GivesTheSameBytesOnAnyNumberOfThreads) {
  std::string content;
  for (int i = 0; i < 50000; ++i) {
    content += "{\"text\": \"Boat " + std::to_string(i * 7919) + " drifted down the river.\"}\n";
    if (i % 1000 == 0) content += "broken\n";
  }
  ASSERT_GT(content.size(), size_t{2} << 20);  // some blocks
  const DataSource source{.path = directory_.Write("many.jsonl", content)};
  std::map<std::string, int> shards;
  for (const int num_threads : {1, 2, 3, 8}) {
    ThreadPool pool(num_threads);
    const std::string folder = "shards" + std::to_string(num_threads);
    const PreparedShard prepared =
        PrepareShard(inputs_, source, {.on_bad_line = OnBadLine::kSkip}, directory_ / folder, pool);
    EXPECT_EQ(prepared.shard.num_samples(), 50000);
    EXPECT_EQ(prepared.report.bad_lines.size(), 50u);
    EXPECT_EQ(prepared.report.bad_lines[1].line, 1003);
    const auto name = std::filesystem::path(prepared.shard.name()).filename().string();
    ++shards[directory_.Read(folder + "/" + name)];
  }
  EXPECT_EQ(shards.size(), 1u);
}

TEST_F(ShardBuilder, SplitsPlainTextIntoConsecutiveSamples) {
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += "A small boat drifted down the river " + std::to_string(i) + ".\n";
  const PreparedShard prepared =
      Prepare({.path = directory_.Write("book.txt", text)}, {.samples = {.max_tokens = 100}});
  EXPECT_EQ(prepared.report.counts.num_documents, 1u);
  EXPECT_EQ(prepared.report.counts.num_split, 1u);
  EXPECT_GT(prepared.shard.num_samples(), 5);
  std::vector<TokenId> ids = prepared.shard.CopySample(0).ids;
  for (int64_t i = 1; i < prepared.shard.num_samples(); ++i) {
    const std::vector<TokenId> more = prepared.shard.CopySample(i).ids;
    ids.insert(ids.end(), more.begin() + 1, more.end());
  }
  EXPECT_EQ(tokenizer_->Decode(ids), text.substr(0, text.size() - 1));
}

TEST_F(ShardBuilder, FindsDocumentsOfTheHeldOutSetInTheTrainingSet) {
  const PreparedShard train = Prepare(
      {.path = directory_.Write("train.txt", "one\n<|endoftext|>\ntwo\n<|endoftext|>\nthree"),
       .separator = "<|endoftext|>"});
  const PreparedShard held_out = Prepare(
      {.path = directory_.Write("held_out.jsonl", "{\"text\": \"four\"}\n{\"text\": \"two\"}\n")});
  const auto shared = FindShared(train.shard.Documents(), held_out.shard.Documents());
  ASSERT_EQ(shared.size(), 1u);
  EXPECT_EQ(shared[0].line, 2);
  EXPECT_EQ(shared[0].first_line, 3);
}

TEST_F(ShardBuilder, ChecksWithoutWriting) {
  const DataReport report =
      CheckData(inputs_, {.path = directory_.Write("mixed.jsonl", kMixed)}, {}, pool_);
  EXPECT_EQ(report.bad_lines.size(), 3u);
  EXPECT_EQ(report.num_samples, 3u);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "shards"));
}

}  // namespace
}  // namespace tandem
