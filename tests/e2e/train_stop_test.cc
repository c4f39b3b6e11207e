// Runs of tandem-train that are stopped: by a signal, by a second one, and by their time.

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "tests/e2e/train_programs.h"

namespace tandem {
namespace {

class StoppedTraining : public TrainPrograms {
 protected:
  StoppedTraining() {
    base_.Write("texts.jsonl", kTexts);
    base_.Write("config.json", kConfig);
    Output({"tandem-train", "tokenizer", Path("texts.jsonl"), "--vocab-size", "300", "--output",
            Path("tokenizer")});
  }
  // A run that takes longer than any test, but for `more`.
  std::vector<std::string> Pretrain(const std::string& output,
                                    const std::vector<std::string>& more) const {
    std::vector<std::string> command = {kBin + "tandem-train",
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
                                        "20000",
                                        "--warmup-share",
                                        "0",
                                        "--log-every",
                                        "1"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  int64_t SavedStep(const std::string& output) const {
    std::string newest;
    for (const auto& entry : std::filesystem::directory_iterator(base_ / output / "checkpoints")) {
      newest = std::max(newest, entry.path().filename().string());
    }
    return newest.empty() ? -1 : std::stoll(newest.substr(5));
  }
};

TEST_F(StoppedTraining, SavesAtTheFirstSignalAndGoesOnWithTheSameBits) {
  for (const auto& [number, status] : {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}}) {
    const std::string stopped = "stopped" + std::to_string(number);
    const std::string straight = "straight" + std::to_string(number);
    Program program(Pretrain(stopped, {}));
    ASSERT_TRUE(program.WaitForOutput("step 3/")) << program.text();
    program.Signal(number);
    EXPECT_EQ(program.Wait(), status) << program.text();
    EXPECT_NE(program.text().find("the same command with --resume"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(base_ / stopped / "model.safetensors"));
    const int64_t step = SavedStep(stopped);
    ASSERT_GE(step, 3);

    const std::string num_steps = std::to_string(step + 5);
    Program resumed(Pretrain(stopped, {"--resume", "--max-steps", num_steps}));
    EXPECT_EQ(resumed.Wait(), 0) << resumed.text();
    Program whole(Pretrain(straight, {"--max-steps", num_steps}));
    EXPECT_EQ(whole.Wait(), 0) << whole.text();
    const std::string weights = base_.Read(straight + "/model.safetensors");
    ASSERT_GT(weights.size(), 1000u);
    EXPECT_TRUE(weights == base_.Read(stopped + "/model.safetensors"));
  }
}

// Every step is followed by a save, which takes most of the time, so most kills come during one.
TEST_F(StoppedTraining, GoesOnWithTheSameBitsAfterTwentyKills) {
  constexpr uint32_t kSeed = 20261121;
  std::mt19937 random(kSeed);
  const std::vector<std::string> more = {"--max-steps", "150", "--save-every", "1", "--resume"};
  int num_kills = 0;
  for (bool is_done = false; !is_done; ++num_kills) {
    Program program(Pretrain("killed", more));
    if (num_kills < 20) {
      ASSERT_TRUE(program.WaitForOutput("step ")) << program.text();
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
      program.Signal(SIGKILL);
    }
    is_done = program.Wait() == 0;
    ASSERT_TRUE(is_done || program.end_signal() == SIGKILL) << program.text();
    ASSERT_LE(num_kills, 20);
  }
  EXPECT_EQ(num_kills, 21) << "it ended before it was killed twenty times; seed " << kSeed;
  Program whole(Pretrain("whole", {"--max-steps", "150"}));
  EXPECT_EQ(whole.Wait(), 0) << whole.text();
  const std::string weights = base_.Read("whole/model.safetensors");
  ASSERT_GT(weights.size(), 1000u);
  EXPECT_TRUE(weights == base_.Read("killed/model.safetensors")) << "seed " << kSeed;
}

TEST_F(StoppedTraining, EndsAtOnceAtTheSecondSignal) {
  // Steps so long that the second signal comes within one.
  Program program(Pretrain("output", {"--accumulate", "20000"}));
  ASSERT_TRUE(program.WaitForOutput("run  ")) << program.text();
  program.Signal(SIGINT);
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), -1) << program.text();
  EXPECT_EQ(program.end_signal(), SIGTERM);
  EXPECT_FALSE(std::filesystem::exists(base_ / "output" / "checkpoints"));
}

TEST_F(StoppedTraining, EndsWellWhenItsTimeIsOver) {
  Program program(Pretrain("output", {"--max-hours", "0.0001"}));
  EXPECT_EQ(program.Wait(), 0) << program.text();
  EXPECT_NE(program.text().find("its time was over"), std::string::npos) << program.text();
  EXPECT_GE(SavedStep("output"), 1);
  EXPECT_TRUE(std::filesystem::exists(base_ / "output" / "model.safetensors"));
}

TEST_F(StoppedTraining, KeepsItsNameInEveryLog) {
  const std::vector<std::string> logs = {"--tensorboard", Path("events")};
  std::vector<std::string> first = logs, second = logs;
  first.insert(first.end(), {"--max-steps", "4", "--save-every", "2"});
  second.insert(second.end(), {"--max-steps", "6", "--resume"});
  Program program(Pretrain("output", first));
  EXPECT_EQ(program.Wait(), 0) << program.text();
  Program resumed(Pretrain("output", second));
  EXPECT_EQ(resumed.Wait(), 0) << resumed.text();
  std::vector<std::string> ids;
  for (const auto& entry : std::filesystem::directory_iterator(base_ / "events")) {
    const std::string name = entry.path().filename().string();
    ids.push_back(name.substr(name.find_last_of('.') + 1));
  }
  ASSERT_EQ(ids.size(), 2u);
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_NE(resumed.text().find("run               " + ids[0]), std::string::npos);
  const std::string log = base_.Read("output/log.jsonl");
  for (const std::string& part :
       {R"("event":"started","reason":"run )" + ids[0],
        R"("event":"resumed","reason":"run )" + ids[0],
        std::string(R"({"step":3,"event":"checkpoint","reason":"step-00000004"})")}) {
    EXPECT_NE(log.find(part), std::string::npos) << part << ": " << log;
  }
}

}  // namespace
}  // namespace tandem
