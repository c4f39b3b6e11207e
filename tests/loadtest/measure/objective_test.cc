#include "loadtest/measure/objective.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;

Measures Requests(int num_completed, int num_failed) {
  Measures measures;
  for (int i = 1; i <= num_completed; ++i) {
    measures.Add({.end = milliseconds(i)}, {}, {});
  }
  for (int i = 0; i < num_failed; ++i) measures.Add({.outcome = Outcome::kTimeout}, {}, {});
  return measures;
}

bool Holds(const std::string& text, const Measures& measures) {
  return HoldAll(ParseObjectives(text), measures);
}

TEST(Objective, ComparesTheStatisticThatItNames) {
  const Measures measures = Requests(100, 0);
  EXPECT_TRUE(Holds("p95(e2e)<96ms", measures));
  EXPECT_FALSE(Holds("p95(e2e)<94ms", measures));
  EXPECT_TRUE(Holds("max(e2e)<=100ms", measures));
  EXPECT_FALSE(Holds("max(e2e)<100ms", measures));
  EXPECT_TRUE(Holds("p99.9(e2e) <= 100ms, mean(e2e) < 51ms", measures));
  EXPECT_FALSE(Holds("p50(e2e)<60ms,mean(e2e)<50ms", measures)) << "one of them does not";
  EXPECT_TRUE(Holds("max(e2e)<0.101s", measures));
  EXPECT_TRUE(Holds("mean(e2e)>50ms", measures));
}

TEST(Objective, ErrorsCannotHelp) {
  const Measures measures = Requests(96, 4);
  EXPECT_TRUE(Holds("p95(e2e)<1s", measures));
  EXPECT_FALSE(Holds("p97(e2e)<1s", measures));
  EXPECT_FALSE(Holds("max(e2e)<1s", measures));
  EXPECT_TRUE(Holds("errors<5%", measures));
  EXPECT_FALSE(Holds("errors<0.04", measures));
  EXPECT_TRUE(Holds("good>=96%", measures));
  EXPECT_EQ(ParseObjectives("p97(e2e)<1s")[0].ValueText(measures), "never");
}

TEST(Objective, NothingMeasuredIsNoProof) {
  EXPECT_FALSE(Holds("p95(e2e)<1s", Requests(0, 0)));
  EXPECT_FALSE(Holds("errors<5%", Requests(0, 0)));
  EXPECT_FALSE(Holds("p95(ttft)<1s", Requests(100, 0))) << "no stream, no TTFT";
}

TEST(Objective, NamesWhatIsWrong) {
  const auto message = [](const char* text) {
    return MessageOf<ConfigError>([&] { ParseObjectives(text); });
  };
  EXPECT_TRUE(Contains(message("p95(e2e)"), "no < or >"));
  EXPECT_TRUE(Contains(message("p95(e2f)<1s"), "did you mean e2e?"));
  EXPECT_TRUE(Contains(message("p0(e2e)<1s"), "p1 to p100"));
  EXPECT_TRUE(Contains(message("p95(e2e)<soon"), "500ms or 2s"));
  EXPECT_TRUE(Contains(message("errors<5"), "must be a share"));
  EXPECT_TRUE(Contains(message("p95(e2e)<1s,"), "--slo \"\""));
}

}  // namespace
}  // namespace tandem
