#include "trainer/log/run_log.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"
#include "trainer/log/jsonl_log.h"

namespace tandem {
namespace {

TEST(RunLog, ReadsWhatALogWrote) {
  const TemporaryDirectory directory;
  JsonlLog log(directory / "log.jsonl", 0);
  log.LogStep({.step = 0,
               .loss = 2.5,
               .balance_loss = 0.125,
               .gradient_norm = std::nan(""),
               .rate = 3e-4,
               .num_tokens = 512,
               .num_targets = 500},
              TrainingLog::Seconds(0.25));
  log.LogStep({.step = 1, .skipped = "the loss is not finite"}, TrainingLog::Seconds(1));
  const EvaluationValue values[] = {{"loss", 2.75}};
  log.LogEvaluation(1, values);
  log.LogEvent(1, "checkpoint", "");
  const RunLog run = ReadRunLog(directory.path());
  ASSERT_EQ(run.steps.size(), 1u);
  EXPECT_EQ(run.steps[0].step, 0);
  EXPECT_EQ(run.steps[0].loss, 2.5);
  EXPECT_EQ(run.steps[0].balance_loss, 0.125);
  EXPECT_TRUE(std::isnan(run.steps[0].gradient_norm));
  EXPECT_EQ(run.steps[0].rate, 3e-4);
  EXPECT_EQ(run.steps[0].num_tokens, 512);
  EXPECT_EQ(run.steps[0].seconds, 0.25);
  EXPECT_EQ(run.steps[0].tokens_per_second, 2048.0);
  ASSERT_EQ(run.evaluations.size(), 1u);
  EXPECT_EQ(run.evaluations.at("loss").at(0).step, 1);
  EXPECT_EQ(run.evaluations.at("loss").at(0).value, 2.75);
  EXPECT_EQ(run.num_skipped, 1);
}

TEST(RunLog, LeavesOutALineThatIsBeingWritten) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("a.jsonl", "{\"step\":0,\"loss\":1}\n{\"step\":1,\"lo");
  EXPECT_EQ(ReadRunLog(path).steps.size(), 1u);
}

TEST(RunLog, NamesTheLineThatIsNotALogs) {
  const TemporaryDirectory directory;
  const auto message_of = [&](const std::string& line) {
    const auto path = directory.Write("a.jsonl", "{\"step\":0}\n" + line + "\n");
    return MessageOf<FormatError>([&] { ReadRunLog(path); });
  };
  EXPECT_TRUE(Contains(message_of("precious"), "a.jsonl\", line 2"));
  EXPECT_TRUE(Contains(message_of("[]"), "line 2: expected an object"));
  EXPECT_TRUE(Contains(message_of("{}"), "step is missing"));
  EXPECT_TRUE(Contains(message_of(R"({"step":1,"loss":"low"})"), "loss is \"low\""));
  EXPECT_TRUE(Contains(message_of(R"({"step":1,"evaluation":{"a":[]}})"), "evaluation.a is"));
}

TEST(RunLog, SaysWhichLogIsNotThere) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(Contains(MessageOf<DeviceError>([&] { ReadRunLog(directory.path()); }), "log.jsonl"));
}

}  // namespace
}  // namespace tandem
