// What a run of tandem-train shows of itself while it trains, and that showing changes nothing.

#include <gtest/gtest.h>

#include "tests/e2e/train_programs.h"

namespace tandem {
namespace {

class WatchedTraining : public TrainPrograms {
 protected:
  WatchedTraining() {
    base_.Write("texts.jsonl", kTexts);
    base_.Write("held_out.jsonl", "{\"text\": \"The quiet baker sails.\"}\n");
    base_.Write("chats.jsonl", kConversations);
    base_.Write("config.json", kConfig);
    Output({"tandem-train", "tokenizer", Path("texts.jsonl"), "--vocab-size", "300", "--output",
            Path("tokenizer")});
  }
  std::string Pretrain(const std::string& output, const std::vector<std::string>& more) {
    std::vector<std::string> command = {"tandem-train",
                                        "pretrain",
                                        Path("texts.jsonl"),
                                        "--tokenizer",
                                        Path("tokenizer"),
                                        "--output",
                                        Path(output),
                                        "--row-tokens",
                                        "128",
                                        "--model-config",
                                        Path("config.json"),
                                        "--rows",
                                        "2",
                                        "--epochs",
                                        "12"};
    command.insert(command.end(), more.begin(), more.end());
    return Output(command);
  }
  std::string Weights(const std::string& output) const {
    return base_.Read(output + "/model.safetensors");
  }
  static int NumIn(const std::string& text, const std::string& part) {
    int count = 0;
    for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
    return count;
  }
};

TEST_F(WatchedTraining, IsTheSameAsOneThatNobodyWatches) {
  Pretrain("alone", {});
  const std::string text = Pretrain(
      "watched", {"--held-out", Path("held_out.jsonl"), "--eval-every", "5", "--eval-tokens", "1",
                  "--sample-every", "5", "--sample-prompt", "The", "--sample-prompt", "Every",
                  "--sample-temperature", "0.8", "--tensorboard", Path("events")});
  ASSERT_GT(Weights("alone").size(), 1000u);
  EXPECT_TRUE(Weights("alone") == Weights("watched"));
  // After 5 and 10 steps, and at the end.
  EXPECT_EQ(NumIn(text, "held out          loss "), 3) << text;
  EXPECT_EQ(NumIn(text, "sample            \"The\" -> \""), 3) << text;
  EXPECT_EQ(NumIn(text, "sample            \"Every\" -> \""), 3) << text;
  const std::string log = base_.Read("watched/log.jsonl");
  EXPECT_EQ(NumIn(log, R"({"step":4,"evaluation":{"loss":)"), 1) << log;
  EXPECT_EQ(NumIn(log, R"({"step":9,"event":"sample","reason":"The -> )"), 1) << log;
}

TEST_F(WatchedTraining, WritesWhatTheServedModelWrites) {
  const std::string text =
      Pretrain("output", {"--sample-every", "100", "--sample-prompt", "The small",
                          "--sample-tokens", "20", "--learning-rate", "0.005"});
  const std::string written =
      Output({"tandem", "generate", "--model", Path("output"), "--prompt", "The small",
              "--temperature", "0", "--max-tokens", "20", "--no-stats"});
  const size_t begin = text.find("sample            \"The small\" -> \"");
  ASSERT_NE(begin, text.npos) << text;
  const std::string sample = text.substr(begin, text.find('\n', begin) - begin);
  const std::string first_line = written.substr(0, written.find('\n'));
  ASSERT_GT(first_line.size(), 3u) << written;
  EXPECT_NE(sample.find(first_line.substr(0, first_line.find('"'))), std::string::npos)
      << sample << " and " << written;
}

TEST_F(WatchedTraining, AsksAQuestionInAChat) {
  Pretrain("base", {});
  const std::string text =
      Output({"tandem-train", "sft", Path("chats.jsonl"), "--model", Path("base"), "--output",
              Path("chat"), "--row-tokens", "128", "--epochs", "2", "--sample-every", "1",
              "--chat-template", "chatml"});
  EXPECT_NE(text.find("sample            \"Who are you?\" -> \""), std::string::npos) << text;
}

TEST_F(WatchedTraining, IsToldBeforeItStartsWhatItNeedsAndWhatLooksWrong) {
  const std::string text = Pretrain(
      "output", {"--held-out", Path("texts.jsonl"), "--learning-rate", "0.02", "--max-steps", "2"});
  for (const std::string part : {"memory            needs ", "largest --rows ",
                                 "advice            --learning-rate 0.02 is high",
                                 "3 of 3 held-out documents are trained on too"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << ": " << text;
  }
}

TEST_F(WatchedTraining, RewritesOneLineOnATerminal) {
  if (!Program::CanHaveTerminal()) GTEST_SKIP() << "no terminal can be opened here";
  Program program({kBin + "tandem-train", "pretrain", Path("texts.jsonl"), "--tokenizer",
                   Path("tokenizer"), "--model-config", Path("config.json"), "--output",
                   Path("output"), "--row-tokens", "128", "--epochs", "20", "--sample-every", "5"},
                  Program::Streams::kTerminal);
  EXPECT_EQ(program.Wait(), 0) << program.text();
  EXPECT_NE(program.text().find("\rstep 1/20 ["), std::string::npos) << program.text();
  EXPECT_NE(program.text().find("\r\x1b[Ksample   "), std::string::npos) << program.text();
  EXPECT_NE(program.text().find("step 20/20"), std::string::npos) << program.text();
}

TEST_F(WatchedTraining, NeedsSomethingToEvaluate) {
  Program program({kBin + "tandem-train", "pretrain", Path("texts.jsonl"), "--tokenizer",
                   Path("tokenizer"), "--model-config", Path("config.json"), "--output",
                   Path("output"), "--row-tokens", "128", "--eval-every", "3"});
  EXPECT_EQ(program.Wait(), 2);
  EXPECT_NE(program.text().find("--held-out"), std::string::npos) << program.text();
}

}  // namespace
}  // namespace tandem
