#include "trainer/cli/train_tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/text/tokenizer.h"
#include "tests/support/command_run.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

CommandOutcome RunTokenizer(std::vector<std::string> arguments) {
  return RunInProcess("tandem-train tokenizer", TrainTokenizer, std::move(arguments));
}

TEST(TrainTokenizerCommand, WritesATokenizerAndSaysWhatItDid) {
  const TemporaryDirectory directory;
  const std::string text = directory.Write("a.txt", "one two three two one\n").string();
  const std::string output = (directory / "tokenizer").string();
  const CommandOutcome done =
      RunTokenizer({"--data", text, "--output", output, "--vocab-size", "297"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_TRUE(Contains(done.out, "words             6, 5 different"));
  EXPECT_TRUE(Contains(done.out, "vocabulary        297 tokens, 36 of them added"));
  EXPECT_TRUE(Contains(done.out, "bytes a token"));
  EXPECT_EQ(done.err, "");
  EXPECT_EQ(LoadTokenizer(output)->vocab_size(), 297);
}

TEST(TrainTokenizerCommand, SaysThatTheCorpusIsTooSmall) {
  const TemporaryDirectory directory;
  const std::string text = directory.Write("a.txt", "abab\n").string();
  const std::string output = (directory / "tokenizer").string();
  const CommandOutcome done = RunTokenizer({text, "--output", output, "--vocab-size", "1000"});
  EXPECT_EQ(done.status, 0);
  EXPECT_TRUE(Contains(done.err, "too small for 1000 tokens: 293 were learned"));
}

TEST(TrainTokenizerCommand, ReplacesATokenizerOnlyWhenAskedTo) {
  const TemporaryDirectory directory;
  const std::string text = directory.Write("a.txt", "abab abab\n").string();
  directory.Write("tokenizer.json", "precious");
  const CommandOutcome refused = RunTokenizer({text, "--output", directory.path().string()});
  EXPECT_EQ(refused.status, kExitUsage);
  EXPECT_TRUE(Contains(refused.err, "--overwrite"));
  EXPECT_EQ(directory.Read("tokenizer.json"), "precious");
  EXPECT_EQ(RunTokenizer({text, "--output", directory.path().string(), "--overwrite"}).status, 0);
  EXPECT_EQ(LoadTokenizer(directory.path())->eos_id(), 2);
}

TEST(TrainTokenizerCommand, RefusesWhatCannotWork) {
  const TemporaryDirectory directory;
  const std::string text = directory.Write("a.txt", "abab\n").string();
  const std::string empty = directory.Write("empty.txt", "").string();
  const std::string output = (directory / "tokenizer").string();
  const CommandOutcome small = RunTokenizer({text, "--output", output, "--vocab-size", "280"});
  EXPECT_EQ(small.status, kExitUsage);
  EXPECT_TRUE(Contains(small.err, "36 special tokens and the 256 bytes; at least 292 is needed"));
  EXPECT_TRUE(Contains(RunTokenizer({empty, "--output", output}).err, "holds no text"));
  EXPECT_TRUE(Contains(RunTokenizer({"--output", output}).err, "data"));
  EXPECT_TRUE(Contains(RunTokenizer({text, "--output", empty}).err, "is not a directory"));
  const CommandOutcome below = RunTokenizer({text, "--output", empty + "/tokenizer"});
  EXPECT_TRUE(Contains(below.err, "is not a directory")) << below.err;
  EXPECT_EQ(below.out, "");
  EXPECT_FALSE(std::filesystem::exists(output));
}

}  // namespace
}  // namespace tandem
