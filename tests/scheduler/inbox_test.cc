#include "scheduler/inbox.h"

#include <gtest/gtest.h>

#include "tests/scheduler/harness.h"

namespace tandem {
namespace {

Submission Submit(const Request& request) {
  return {std::make_shared<const Request>(request), std::make_shared<Outbox>(nullptr)};
}

TEST(CheckRequest, SaysWhatCanNeverRun) {
  RunnerLimits limits = SmallLimits();
  limits.num_pages = 4;
  const Clock::time_point now{};
  EXPECT_EQ(CheckRequest(MakeRequest(1, 32, 33), limits, now),
            std::nullopt);  // 64 slots and a draw
  EXPECT_EQ(CheckRequest(MakeRequest(1, 32, 34), limits, now), Rejection::kPoolExceeded);
  EXPECT_EQ(CheckRequest(MakeRequest(1, 64, 1), limits, now), std::nullopt);
  EXPECT_EQ(CheckRequest(MakeRequest(1, 65, 0), limits, now), Rejection::kPoolExceeded);
  EXPECT_EQ(CheckRequest(MakeRequest(1, 500, 13), limits, now), Rejection::kContextExceeded);
  EXPECT_EQ(CheckRequest(MakeRequest(1, 513, 0), limits, now), Rejection::kContextExceeded);
  EXPECT_EQ(CheckRequest(MakeRequest(1, 1, INT64_MAX), limits, now), Rejection::kContextExceeded);
  EXPECT_EQ(CheckRequest(MakeRequest(1, 0, 1), limits, now), Rejection::kInvalid);
  EXPECT_EQ(CheckRequest(MakeRequest(1, 1, -1), limits, now), Rejection::kInvalid);
  Request request = MakeRequest(1, 3, 1);
  request.prompt[1] = 1000;
  EXPECT_EQ(CheckRequest(request, limits, now), Rejection::kInvalid);
  request.prompt[1] = -1;
  EXPECT_EQ(CheckRequest(request, limits, now), Rejection::kInvalid);
  request = MakeRequest(1, 3, 1);
  request.deadline = now;
  EXPECT_EQ(CheckRequest(request, limits, now), Rejection::kDeadlinePassed);
}

TEST(Inbox, IsBoundedInRequests) {
  Inbox inbox(SmallLimits(), {.max_queued_requests = 2});
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(1, 5, 1))), std::nullopt);
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(2, 5, 1))), std::nullopt);
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(3, 5, 1))), Rejection::kQueueFull);
  inbox.Left({{.num_tokens = 5}});
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(3, 5, 1))), std::nullopt);
  EXPECT_EQ(inbox.counts().accepted, 3u);
  EXPECT_EQ(inbox.counts().rejected, 1u);
}

TEST(Inbox, IsBoundedInTokensButTakesOneOfAnyLength) {
  Inbox inbox(SmallLimits(), {.max_queued_tokens = 50});
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(1, 200, 1))), std::nullopt);
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(2, 1, 1))), Rejection::kQueueFull);
  inbox.Left({{.num_tokens = 200}});
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(2, 30, 1))), std::nullopt);
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(3, 21, 1))), Rejection::kQueueFull);
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(3, 20, 1))), std::nullopt);
  EXPECT_EQ(inbox.counts().num_queued_tokens, 50);
}

TEST(Inbox, RefusesAnIdThatIsStillLive) {
  Inbox inbox(SmallLimits(), {});
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(1, 5, 1))), std::nullopt);
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(1, 5, 1))), Rejection::kInvalid);
  inbox.Forget(RequestId{1});
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(1, 5, 1))), std::nullopt);
}

TEST(Inbox, KeepsTheFirstReasonForBeingClosed) {
  Inbox inbox(SmallLimits(), {});
  inbox.Close(Rejection::kUnhealthy);
  inbox.Close(Rejection::kDraining);
  EXPECT_EQ(inbox.Submit(Submit(MakeRequest(1, 5, 1))), Rejection::kUnhealthy);
}

TEST(Inbox, HandsOutCommandsInOrderAndDropsCancellationsOfUnknownIds) {
  Inbox inbox(SmallLimits(), {});
  inbox.Cancel(RequestId{1}, FinishReason::kCancelled);
  inbox.Submit(Submit(MakeRequest(1, 5, 1)));
  inbox.Cancel(RequestId{1}, FinishReason::kCancelled);
  std::vector<Command> commands;
  inbox.Take(InboxWait::kUntilCommand, {}, commands);
  ASSERT_EQ(commands.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<Submission>(commands[0]));
  EXPECT_TRUE(std::holds_alternative<Cancellation>(commands[1]));
}

}  // namespace
}  // namespace tandem
