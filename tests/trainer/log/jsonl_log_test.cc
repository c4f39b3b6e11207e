#include "trainer/log/jsonl_log.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "engine/base/json.h"
#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using Seconds = TrainingLog::Seconds;

constexpr const char* kStep7 =
    R"({"step":7,"loss":2.5,"balance_loss":0.125,"gradient_norm":1,"rate":0.0003,"tokens":512,)"
    R"("targets":500,"seconds":0.25,"tokens_per_second":2048})";

StepReport Report(int64_t step) {
  return {.step = step,
          .loss = 2.5,
          .balance_loss = 0.125,
          .gradient_norm = 1.0,
          .rate = 3e-4,
          .num_tokens = 512,
          .num_targets = 500};
}

// The lines of steps `first` to `last`, as a log writes them.
std::string Steps(int64_t first, int64_t last) {
  std::string text;
  for (int64_t step = first; step <= last; ++step) {
    text += StepLine(Report(step), Seconds(0.25)) + "\n";
  }
  return text;
}

TEST(JsonlLog, WritesAStepALine) { EXPECT_EQ(StepLine(Report(7), Seconds(0.25)), kStep7); }

TEST(JsonlLog, WritesTheLossScaleWhereThereIsOne) {
  StepReport report = Report(7);
  report.loss_scale = 65536.0;
  EXPECT_TRUE(
      Contains(StepLine(report, Seconds(0.25)), R"("tokens_per_second":2048,"loss_scale":65536})"));
}

TEST(JsonlLog, WritesNullForANumberThatIsNotFinite) {
  StepReport report = Report(7);
  report.loss = std::numeric_limits<double>::quiet_NaN();
  report.gradient_norm = std::numeric_limits<double>::infinity();
  const std::string line = StepLine(report, Seconds(0));
  EXPECT_TRUE(Contains(line, R"("loss":null,)"));
  EXPECT_TRUE(Contains(line, R"("gradient_norm":null,)"));
  EXPECT_TRUE(Contains(line, R"("tokens_per_second":0})"));
  EXPECT_TRUE(ParseJson(line, "the line").is_object());
}

TEST(JsonlLog, WritesASkippedStepAsAnEventWithItsReason) {
  StepReport report = Report(8);
  report.skipped = "the loss is not finite";
  EXPECT_EQ(StepLine(report, Seconds(0.25)),
            R"({"step":8,"event":"skipped","reason":"the loss is not finite"})");
}

TEST(JsonlLog, WritesEvaluationsUnderTheirNames) {
  const EvaluationValue values[] = {{"loss", 2.75}, {"perplexity", 15.5}};
  EXPECT_EQ(EvaluationLine(7, values),
            R"({"step":7,"evaluation":{"loss":2.75,"perplexity":15.5}})");
  EXPECT_EQ(EvaluationLine(7, {}), R"({"step":7,"evaluation":{}})");
}

TEST(JsonlLog, TextFromOutsideCannotBreakALine) {
  EXPECT_EQ(EventLine(0, "note", "a\n\"b\"\xff"),
            "{\"step\":0,\"event\":\"note\",\"reason\":\"a\\n\\\"b\\\"\xef\xbf\xbd\"}");
}

TEST(JsonlLog, EachLineIsInTheFileAtOnce) {
  const TemporaryDirectory directory;
  JsonlLog log(directory / "log.jsonl", 0);
  log.LogStep(Report(7), Seconds(0.25));
  EXPECT_EQ(directory.Read("log.jsonl"), std::string(kStep7) + "\n");
  const EvaluationValue values[] = {{"loss", 2.75}};
  log.LogEvaluation(7, values);
  log.LogEvent(7, "checkpoint", "");
  EXPECT_EQ(directory.Read("log.jsonl"), std::string(kStep7) +
                                             "\n{\"step\":7,\"evaluation\":{\"loss\":2.75}}\n"
                                             "{\"step\":7,\"event\":\"checkpoint\",\"reason\":\"\"}"
                                             "\n");
}

TEST(JsonlLog, AResumeDropsTheStepsThatAreDoneAgain) {
  const TemporaryDirectory directory;
  const std::string evaluation = R"({"step":4,"evaluation":{"loss":1}})"
                                 "\n";
  const auto path =
      directory.Write("log.jsonl", Steps(0, 4) + evaluation + Steps(5, 6) +
                                       R"({"step":6,"evaluation":{"loss":1}})" + "\n");
  JsonlLog log(path, 5);
  EXPECT_EQ(directory.Read("log.jsonl"), Steps(0, 4) + evaluation);
  log.LogStep(Report(5), Seconds(0.25));
  EXPECT_EQ(directory.Read("log.jsonl"), Steps(0, 4) + evaluation + Steps(5, 5));
}

TEST(JsonlLog, AResumeDropsALineThatACrashCutOff) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("log.jsonl", Steps(0, 2) + R"({"step":3,"lo)");
  CutLogAt(path, 10);
  EXPECT_EQ(directory.Read("log.jsonl"), Steps(0, 2));
  // Only the end of the line is missing: the step may be cut off too ("1" of "12").
  directory.Write("log.jsonl", Steps(0, 2) + R"({"step":3})");
  CutLogAt(path, 10);
  EXPECT_EQ(directory.Read("log.jsonl"), Steps(0, 2));
}

TEST(JsonlLog, ALogThatNeedsNoChangeIsNotRewritten) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("log.jsonl", Steps(0, 2));
  const std::filesystem::path link = directory / "same_file";
  std::filesystem::create_hard_link(path, link);
  CutLogAt(path, 3);
  EXPECT_TRUE(std::filesystem::equivalent(path, link));
  CutLogAt(path, 2);
  EXPECT_FALSE(std::filesystem::equivalent(path, link));
  EXPECT_EQ(directory.Read("log.jsonl"), Steps(0, 1));
}

TEST(JsonlLog, RefusesToContinueAFileThatIsNoLog) {
  const TemporaryDirectory directory;
  const std::string text = Steps(0, 0) + "precious\n" + Steps(1, 1);
  const auto path = directory.Write("notes.txt", text);
  const std::string message = MessageOf<FormatError>([&] { JsonlLog(path, 1); });
  EXPECT_TRUE(Contains(message, "notes.txt\", line 2"));
  EXPECT_EQ(directory.Read("notes.txt"), text);
}

TEST(JsonlLog, SaysWhichFileItCannotOpen) {
  const TemporaryDirectory directory;
  const std::string message =
      MessageOf<DeviceError>([&] { JsonlLog(directory / "no_such" / "log.jsonl", 0); });
  EXPECT_TRUE(Contains(message, "no_such"));
}

}  // namespace
}  // namespace tandem
