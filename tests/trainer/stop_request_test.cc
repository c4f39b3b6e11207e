#include "trainer/stop_request.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace tandem {
namespace {

bool IsBlocked(int number) {
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  return sigismember(&blocked, number) == 1;
}

// What came before half a minute was over.
std::optional<int> AwaitSignal(const StopRequest& stop) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!stop.signal() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  return stop.signal();
}

TEST(StopRequest, KeepsTheFirstSignal) {
  for (const int number : {SIGINT, SIGTERM}) {
    const StopRequest stop;
    EXPECT_FALSE(stop.signal());
    ::kill(::getpid(), number);
    EXPECT_EQ(AwaitSignal(stop), number);
  }
}

TEST(StopRequest, LeavesSignalsAsTheyWere) {
  ASSERT_FALSE(IsBlocked(SIGTERM));
  {
    const StopRequest stop;
    EXPECT_TRUE(IsBlocked(SIGTERM));
    std::thread([] { EXPECT_TRUE(IsBlocked(SIGINT)); }).join();
  }
  EXPECT_FALSE(IsBlocked(SIGTERM));
  EXPECT_FALSE(IsBlocked(SIGINT));
}

}  // namespace
}  // namespace tandem
