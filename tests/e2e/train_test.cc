// From text files to a model that answers, by the programs alone: a tokenizer, pretraining,
// fine-tuning on conversations, and a chat with what came out. In miniature: the model learns its
// few sentences by heart.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/e2e/train_programs.h"

namespace tandem {
namespace {

TEST_F(TrainPrograms, MakeAModelThatAnswers) {
  base_.Write("texts.jsonl", kTexts);
  base_.Write("chats.jsonl", kConversations);
  base_.Write("config.json", kConfig);
  Output({"tandem-train", "tokenizer", Path("texts.jsonl"), Path("chats.jsonl"), "--vocab-size",
          "400", "--min-frequency", "1", "--output", Path("tokenizer")});
  const std::string pretrained = Output(
      {"tandem-train", "pretrain", Path("texts.jsonl"), "--tokenizer", Path("tokenizer"),
       "--model-config", Path("config.json"), "--output", Path("base"), "--row-tokens", "128",
       "--epochs", "150", "--rows", "4", "--learning-rate", "0.005", "--log-every", "50"});
  EXPECT_NE(pretrained.find("step 150/150"), std::string::npos) << pretrained;
  const std::string continued =
      Output({"tandem", "generate", "--model", Path("base"), "--prompt", "The small boat",
              "--temperature", "0", "--max-tokens", "40"});
  EXPECT_NE(continued.find(" sails over the quiet lake."), std::string::npos) << continued;

  Output({"tandem-train", "sft", Path("chats.jsonl"), "--model", Path("base"), "--output",
          Path("chat"), "--row-tokens", "128", "--epochs", "120", "--learning-rate", "0.003"});
  base_.Write("prompts.txt", "Who sails?\nWho opens the shop?\n");
  const std::string answers =
      Output({"tandem", "chat", "--model", Path("chat"), "--prompts", Path("prompts.txt"),
              "--temperature", "0", "--max-tokens", "40"});
  EXPECT_NE(answers.find("The small boat sails."), std::string::npos) << answers;
  EXPECT_NE(answers.find("The baker opens it."), std::string::npos) << answers;
}

// A row is 512 tokens unless somebody says so, and this model's context 256.
TEST_F(TrainPrograms, TakeRowsThatFitTheModelUnlessTold) {
  base_.Write("texts.jsonl", kTexts);
  base_.Write("config.json", kConfig);
  Output({"tandem-train", "tokenizer", Path("texts.jsonl"), "--vocab-size", "300", "--output",
          Path("tokenizer")});
  const auto command = [&](const std::string& output, std::vector<std::string> more) {
    std::vector<std::string> all = {
        "tandem-train", "pretrain", Path("texts.jsonl"), "--tokenizer",       Path("tokenizer"),
        "--rows",       "1",        "--model-config",    Path("config.json"), "--output",
        Path(output)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const std::string text = Output(command("fitted", {}));
  EXPECT_NE(text.find("steps of 1 x 256 tokens"), std::string::npos) << text;
  const std::string cut = Output(command(
      "cut", {"--max_seq_len", "5", "--too-long", "cut", "--num-workers", "8", "--use_wandb"}));
  EXPECT_NE(cut.find("changes nothing   --num_workers, --use_wandb\n"), std::string::npos) << cut;
  EXPECT_NE(cut.find("steps of 1 x 5 tokens"), std::string::npos) << cut;

  std::vector<std::string> too_long = command("refused", {"--row-tokens", "512"});
  too_long.front() = kBin + too_long.front();
  Program refused(too_long);
  EXPECT_EQ(refused.Wait(), 2);
  EXPECT_NE(refused.text().find("context of 256"), std::string::npos) << refused.text();
}

TEST_F(TrainPrograms, ListEveryBadLineBeforeTheyTrain) {
  base_.Write("texts.jsonl", "{\"text\": \"good\"}\n{\"text\": \"  \"}\nnot JSON\n");
  base_.Write("config.json", kConfig);
  base_.Write("some.txt", "some text to learn from\n");
  Output({"tandem-train", "tokenizer", Path("some.txt"), "--vocab-size", "300", "--output",
          Path("tokenizer")});
  Program program({kBin + "tandem-train", "pretrain", Path("texts.jsonl"), "--tokenizer",
                   Path("tokenizer"), "--model-config", Path("config.json"), "--output",
                   Path("model"), "--row-tokens", "128"});
  EXPECT_EQ(program.Wait(), 2) << program.text();
  for (const char* part : {"texts.jsonl:2: ", "texts.jsonl:3: "}) {
    EXPECT_NE(program.text().find(part), std::string::npos) << part << ": " << program.text();
  }
  EXPECT_FALSE(std::filesystem::exists(base_ / "model" / "model.safetensors"));
}

TEST_F(TrainPrograms, ResumeWhereTheyWereStopped) {
  base_.Write("texts.jsonl", kTexts);
  base_.Write("config.json", kConfig);
  Output({"tandem-train", "tokenizer", Path("texts.jsonl"), "--vocab-size", "300", "--output",
          Path("tokenizer")});
  const auto pretrain = [&](const std::string& output, std::vector<std::string> more) {
    std::vector<std::string> command = {"tandem-train",
                                        "pretrain",
                                        Path("texts.jsonl"),
                                        "--tokenizer",
                                        Path("tokenizer"),
                                        "--model-config",
                                        Path("config.json"),
                                        "--output",
                                        Path(output),
                                        "--row-tokens",
                                        "128",
                                        "--rows",
                                        "1",
                                        "--schedule",
                                        "constant",
                                        "--epochs",
                                        "20"};
    command.insert(command.end(), more.begin(), more.end());
    return Output(command);
  };
  const auto weights = [&](const std::string& output) {
    std::ifstream file(Path(output) + "/model.safetensors", std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    return bytes.str();
  };
  pretrain("straight", {"--max-steps", "12"});
  pretrain("resumed", {"--max-steps", "5", "--save-every", "5"});
  const std::string again = pretrain("resumed", {"--max-steps", "12", "--resume"});
  EXPECT_NE(again.find("step-00000005"), std::string::npos) << again;
  ASSERT_GT(weights("straight").size(), 1000u);
  EXPECT_TRUE(weights("straight") == weights("resumed"));

  Program refused({kBin + "tandem-train", "pretrain", Path("texts.jsonl"), "--tokenizer",
                   Path("tokenizer"), "--model-config", Path("config.json"), "--output",
                   Path("resumed"), "--row-tokens", "128"});
  EXPECT_EQ(refused.Wait(), 2);
  EXPECT_NE(refused.text().find("--resume"), std::string::npos) << refused.text();
}

}  // namespace
}  // namespace tandem
