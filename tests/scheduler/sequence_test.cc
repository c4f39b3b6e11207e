#include "scheduler/sequence.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/scheduler/harness.h"

namespace tandem {
namespace {

Sequence MakeSequence(int64_t num_prompt, int64_t max_tokens,
                      std::optional<int32_t> prompt_logprobs = {}) {
  Request request = MakeRequest(1, num_prompt, max_tokens);
  request.sampling.prompt_logprobs = prompt_logprobs;
  return Sequence(std::make_shared<const Request>(request), std::make_shared<Outbox>(nullptr), 0,
                  Clock::time_point{});
}

TEST(Sequence, NeverMovesItsHistoryOrPagesWhileItRuns) {
  Sequence sequence = MakeSequence(20, 30);
  sequence.Start();
  const TokenId* history = sequence.history().data();
  const PageId* pages = sequence.pages().data();
  for (PageId page = 0; page < sequence.pages_at_limit(); ++page) sequence.AddPage(page);
  for (int i = 0; i < 30; ++i) sequence.Append(1);
  EXPECT_EQ(sequence.history().data(), history);
  EXPECT_EQ(sequence.pages().data(), pages);
  EXPECT_EQ(sequence.total(), sequence.limit());
}

TEST(Sequence, KeepsItsCountersInOrder) {
  Sequence sequence = MakeSequence(20, 1);
  sequence.Start();
  EXPECT_THROW(sequence.ComputedUpTo(16), InternalError);  // without a page
  sequence.AddPage(3);
  EXPECT_THROW(sequence.PageCached(3), InternalError);  // before it is computed
}

TEST(Sequence, RefusesTokensBeyondItsLimit) {
  Sequence sequence = MakeSequence(4, 1);
  sequence.Start();
  sequence.Append(1);
  EXPECT_THROW(sequence.Append(1), InternalError);
}

TEST(Sequence, NeedsNoPageForTheLastTokenDrawn) {
  EXPECT_EQ(MakeSequence(16, 1).pages_at_limit(), 1);
  EXPECT_EQ(MakeSequence(16, 2).pages_at_limit(), 2);
  EXPECT_EQ(MakeSequence(17, 0).pages_at_limit(), 2);
}

TEST(Sequence, ReusesNothingFromTheFirstOwedPromptLogprobOn) {
  EXPECT_EQ(MakeSequence(40, 1).reusable(), 39);
  Sequence sequence = MakeSequence(40, 1, 0);
  EXPECT_EQ(sequence.reusable(), 0);
  std::vector<ScoredToken> scores(16);
  sequence.AddPromptScores(0, scores);
  EXPECT_EQ(sequence.reusable(), 16);
  EXPECT_TRUE(sequence.TakePromptScores().empty());
  std::vector<ScoredToken> again(39);
  sequence.AddPromptScores(0, again);
  EXPECT_EQ(sequence.reusable(), 39);
  EXPECT_EQ(sequence.TakePromptScores().size(), 39u);
  EXPECT_TRUE(sequence.TakePromptScores().empty());
}

TEST(Sequence, CountsAPromptTokenFromTheCacheOnce) {
  Sequence sequence = MakeSequence(40, 1);
  sequence.Start();
  sequence.AddCachedPage(5);
  EXPECT_EQ(sequence.prompt_from_cache(), 16);
  sequence.Preempt();
  EXPECT_EQ(sequence.state(), SequenceState::kPreempted);
  EXPECT_EQ(sequence.remaining(), 40);
  sequence.Start();
  sequence.AddCachedPage(5);
  sequence.AddCachedPage(6);
  EXPECT_EQ(sequence.prompt_from_cache(), 32);
}

}  // namespace
}  // namespace tandem
