#include "trainer/log/progress_line.h"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>

namespace tandem {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Form = ProgressOptions::Form;

ProgressState Example() {
  return {.num_steps = 1200,
          .total_steps = 10000,
          .loss = 3.21449,
          .rate = 3e-4,
          .tokens_per_second = 12345.0,
          .time_left = seconds(3725)};
}

TEST(ProgressLine, RoundsNumbersToThreeDigits) {
  EXPECT_EQ(FormatRoughly(0.0), "0");
  EXPECT_EQ(FormatRoughly(950.4), "950");
  EXPECT_EQ(FormatRoughly(999.6), "1.00k");
  EXPECT_EQ(FormatRoughly(12345.0), "12.3k");
  EXPECT_EQ(FormatRoughly(99960.0), "100k");
  EXPECT_EQ(FormatRoughly(1.25e6), "1.25M");
  EXPECT_EQ(FormatRoughly(4.5e15), "4500T");
}

TEST(ProgressLine, ShowsTimeInItsTwoLargestUnits) {
  EXPECT_EQ(FormatTimeLeft(seconds(0)), "0s");
  EXPECT_EQ(FormatTimeLeft(seconds(59)), "59s");
  EXPECT_EQ(FormatTimeLeft(seconds(200)), "3m 20s");
  EXPECT_EQ(FormatTimeLeft(seconds(3725)), "1h 02m");
  EXPECT_EQ(FormatTimeLeft(seconds(2 * 86400 + 3 * 3600 + 59)), "2d 03h");
}

TEST(ProgressLine, FillsTheBar) {
  EXPECT_EQ(FormatBar(0, 10, 7), "[>    ]");
  EXPECT_EQ(FormatBar(5, 10, 7), "[==>  ]");
  EXPECT_EQ(FormatBar(10, 10, 7), "[=====]");
  EXPECT_EQ(FormatBar(11, 10, 7), "[=====]");
  EXPECT_EQ(FormatBar(0, 0, 7), "[>    ]");
  EXPECT_EQ(FormatBar(1, 2, 1), "[]");
}

TEST(ProgressLine, LeavesOutWhatMattersLeastWhereColumnsAreFew) {
  EXPECT_EQ(FormatProgress(Example(), 96),
            "step 1,200/10,000 [=>              ] 12%  loss 3.2145  rate 3.0e-04  12.3k tokens/s  "
            "1h 02m left");
  EXPECT_EQ(FormatProgress(Example(), 80),
            "step 1,200/10,000  loss 3.2145  rate 3.0e-04  12.3k tokens/s  1h 02m left");
  EXPECT_EQ(FormatProgress(Example(), 70),
            "step 1,200/10,000  loss 3.2145  12.3k tokens/s  1h 02m left");
  EXPECT_EQ(FormatProgress(Example(), 50), "step 1,200/10,000  loss 3.2145  1h 02m left");
  EXPECT_EQ(FormatProgress(Example(), 35), "step 1,200/10,000  loss 3.2145");
  EXPECT_EQ(FormatProgress(Example(), 20), "step 1,200/10,000");
  EXPECT_EQ(FormatProgress(Example(), 10), "step 1,200");
  EXPECT_EQ(FormatProgress(Example(), 0), "");
}

TEST(ProgressLine, NeverExceedsItsColumns) {
  for (int columns = -1; columns < 200; ++columns) {
    EXPECT_LE(static_cast<int>(FormatProgress(Example(), columns).size()), std::max(columns, 0));
    EXPECT_LE(static_cast<int>(FormatProgress({}, columns).size()), std::max(columns, 0));
  }
}

// A clock that a test moves, and steps of 100 tokens at each tick.
class TimedRun {
 public:
  explicit TimedRun(ProgressOptions options)
      : line_(options, out_, now_), step_(options.first_step) {}

  // What the step made the line write.
  std::string Step(milliseconds duration, double loss) {
    now_ += duration;
    line_.Update({.step = step_++, .loss = loss, .rate = 1e-3, .num_tokens = 100}, now_);
    return Written();
  }
  std::string Written() {
    const std::string written = out_.str();
    out_.str("");
    return written;
  }
  ProgressLine& line() { return line_; }

 private:
  std::ostringstream out_;
  ProgressLine::TimePoint now_{};
  ProgressLine line_;
  int64_t step_;
};

TEST(ProgressLine, RewritesItsLineFiveTimesASecondAtMost) {
  TimedRun run({.form = Form::kRewritten, .columns = [] { return 80; }, .total_steps = 1000});
  int num_drawn = 0;
  for (int i = 0; i < 100; ++i) num_drawn += run.Step(milliseconds(10), 2.0).empty() ? 0 : 1;
  EXPECT_EQ(num_drawn, 5);
}

TEST(ProgressLine, RewritesInOneGoAndErasesTheRestOfTheOldLine) {
  TimedRun run({.form = Form::kRewritten, .columns = [] { return 66; }, .total_steps = 4});
  EXPECT_EQ(run.Step(seconds(1), 3.0),
            "\rstep 1/4  loss 3.0000  rate 1.0e-03  100 tokens/s  3s left\x1b[K");
  EXPECT_EQ(run.Step(seconds(3), 2.0),
            "\rstep 2/4  loss 2.5000  rate 1.0e-03  50 tokens/s  4s left\x1b[K");
  run.line().Clear();
  EXPECT_EQ(run.Written(), "\r\x1b[K");
  run.line().Clear();
  EXPECT_EQ(run.Written(), "");
  run.line().Finish();
  EXPECT_EQ(run.Written(), "\rstep 2/4  loss 2.5000  rate 1.0e-03  50 tokens/s  4s left\x1b[K\n");
}

TEST(ProgressLine, FollowsTheWidthOfTheWindow) {
  int columns = 31;
  TimedRun run({.form = Form::kRewritten, .columns = [&] { return columns; }, .total_steps = 4});
  EXPECT_EQ(run.Step(seconds(1), 3.0), "\rstep 1/4  loss 3.0000  3s left\x1b[K");
  columns = 30;
  EXPECT_EQ(run.Step(seconds(1), 3.0), "\rstep 2/4  loss 3.0000\x1b[K");
}

TEST(ProgressLine, WritesAPlainLineEveryFewStepsOrAfterSomeTime) {
  TimedRun run({.total_steps = 1000, .steps_per_plain_line = 10});
  std::string written;
  for (int i = 0; i < 9; ++i) written += run.Step(milliseconds(100), 2.0);
  EXPECT_EQ(written, "");
  EXPECT_EQ(run.Step(milliseconds(100), 2.0),
            "step 10/1,000 (1%)  loss 2.0000  rate 1.0e-03  1.00k tokens/s  1m 39s left\n");
  EXPECT_EQ(run.Step(seconds(29), 2.0), "");
  EXPECT_EQ(run.Step(seconds(1), 2.0).substr(0, 13), "step 12/1,000");
  run.line().Finish();
  EXPECT_EQ(run.Written(), "");
  run.Step(seconds(1), 2.0);
  run.line().Finish();
  EXPECT_EQ(run.Written().substr(0, 13), "step 13/1,000");
}

TEST(ProgressLine, AveragesOverItsWindow) {
  TimedRun run({.first_step = 6, .total_steps = 10, .window_steps = 2, .steps_per_plain_line = 1});
  EXPECT_EQ(run.Step(seconds(1), 8.0),
            "step 7/10 (70%)  loss 8.0000  rate 1.0e-03  100 tokens/s  3s left\n");
  run.Step(seconds(2), 4.0);
  EXPECT_EQ(run.Step(seconds(2), 2.0),
            "step 9/10 (90%)  loss 3.0000  rate 1.0e-03  50 tokens/s  2s left\n");
}

TEST(ProgressLine, LeavesLossesOutThatAreNotFinite) {
  TimedRun run({.total_steps = 4, .steps_per_plain_line = 1});
  EXPECT_EQ(run.Step(seconds(1), std::numeric_limits<double>::infinity()),
            "step 1/4 (25%)  rate 1.0e-03  100 tokens/s  3s left\n");
  EXPECT_EQ(run.Step(seconds(1), 2.0),
            "step 2/4 (50%)  loss 2.0000  rate 1.0e-03  100 tokens/s  2s left\n");
}

}  // namespace
}  // namespace tandem
