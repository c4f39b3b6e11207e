#include "loadtest/report/progress_line.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

const Workload kMinute{.duration = std::chrono::seconds(60), .warm_up = std::chrono::seconds(5)};

TEST(ProgressLine, SaysWhatThereIs) {
  LoadProgress progress{.seconds = 12.34,
                        .num_due = 1234,
                        .num_completed = 1200,
                        .num_in_flight = 34,
                        .e2e_p50_ms = 63.71};
  EXPECT_EQ(ProgressLine(progress, kMinute, 79),
            "  12.3 of 60 s  1,234 due, 1,200 done, 34 in flight, 0 errors, p50 63.7 ms");
  progress.seconds = 3.0;
  EXPECT_EQ(ProgressLine(progress, kMinute, 79),
            "   3.0 of 60 s  1,234 due, 1,200 done, 34 in flight, 0 errors, warming up");
  progress.seconds = 61.0;
  progress.e2e_p50_ms = 0.0;
  EXPECT_EQ(ProgressLine(progress, kMinute, 79),
            "  61.0 s, waiting for answers  1,234 due, 1,200 done, 34 in flight, 0 errors");
  Workload closed = kMinute;
  closed.num_users = 34;
  EXPECT_EQ(ProgressLine(progress, closed, 79),
            "  61.0 s, waiting for answers  1,200 done, 34 in flight, 0 errors");
}

TEST(ProgressLine, NeverIsWiderThanTheTerminal) {
  const LoadProgress progress{.seconds = 1e5,
                              .num_due = 1'000'000'000,
                              .num_completed = 1'000'000'000,
                              .num_errors = 1'000'000,
                              .num_in_flight = 100'000,
                              .num_waiting = 1'000'000,
                              .e2e_p50_ms = 100'000.0};
  for (const int columns : {40, 60, 79, 119}) {
    EXPECT_LE(ProgressLine(progress, kMinute, columns).size(), static_cast<size_t>(columns));
  }
  EXPECT_EQ(ProgressLine(progress, kMinute, 60),
            "100000.0 s, waiting for answers  1,000,000,000 due");
}

}  // namespace
}  // namespace tandem
