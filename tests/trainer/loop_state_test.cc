#include "trainer/loop_state.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

LoopState SomeState() {
  return {.run_id = "1763733600-00c0ffee",
          .guard = {.monitor = {.window = {2.5, 1.0 / 3.0, 1e-300}, .num_since_check = 70},
                    .num_bad = 2,
                    .num_skipped = 1,
                    .num_rollbacks = 3,
                    .rate_factor = 0.1},
          .is_of_a_stop = true};
}

TEST(LoopState, IsReadAsItWasWritten) {
  const LoopState state = ParseLoopState(FormatLoopState(SomeState()), "here");
  EXPECT_EQ(state.run_id, SomeState().run_id);
  EXPECT_EQ(state.guard.monitor.window, SomeState().guard.monitor.window);
  EXPECT_EQ(state.guard.monitor.num_since_check, 70);
  EXPECT_EQ(state.guard.num_bad, 2);
  EXPECT_EQ(state.guard.num_skipped, 1);
  EXPECT_EQ(state.guard.num_rollbacks, 3);
  EXPECT_EQ(state.guard.rate_factor, 0.1);
  EXPECT_TRUE(state.is_of_a_stop);
  EXPECT_EQ(FormatLoopState(state), FormatLoopState(SomeState()));
  EXPECT_EQ(FormatLoopState(ParseLoopState(FormatLoopState({}), "new")), FormatLoopState({}));
}

TEST(LoopState, IsThatOfANewRunWhereNothingWasCarried) {
  EXPECT_EQ(FormatLoopState(ParseLoopState({}, "here")), FormatLoopState({}));
}

TEST(LoopState, NamesWhatItDoesNotKnow) {
  const auto problem = [](const std::string& name, const std::string& text) {
    return MessageOf<FormatError>([&] { ParseLoopState({{name, text}}, "state.json"); });
  };
  EXPECT_NE(problem("guard.bad", "2x").find("state.json: carried.guard.bad is"), std::string::npos);
  EXPECT_NE(problem("guard.losses", "1  2").find("not a number"), std::string::npos);
  EXPECT_NE(problem("run_id", "../up").find("run_id"), std::string::npos);
  EXPECT_NE(problem("of_a_stop", "maybe").find("of_a_stop"), std::string::npos);
  EXPECT_NE(problem("other", "1").find("does not know"), std::string::npos);
  EXPECT_NE(problem("guard.bad", "-1").find("from 0 to"), std::string::npos);
  for (const std::string factor : {"nan", "0", "-0.5", "2", "inf"}) {
    EXPECT_NE(problem("guard.rate_factor", factor).find("to 1"), std::string::npos) << factor;
  }
  EXPECT_NE(problem("guard.losses", "1 inf 2").find("not a number"), std::string::npos);
  std::string many = "1";
  for (int64_t i = 0; i < kLossWindow; ++i) many += " 1";
  EXPECT_NE(problem("guard.losses", many).find("the limit is 100"), std::string::npos);
}

TEST(LoopState, HasAnIdOfItsOwnInEachRun) {
  const std::string id = NewRunId();
  EXPECT_NE(id, NewRunId());
  EXPECT_EQ(ParseLoopState({{"run_id", id}}, "here").run_id, id);
}

}  // namespace
}  // namespace tandem
