#include "kernels/core/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

namespace tandem {
namespace {

TEST(SplitRange, CoversEveryItemOnceOnMultiplesOfTheGrain) {
  for (const int64_t items : {0, 1, 7, 64, 100, 1001}) {
    for (const int threads : {1, 2, 3, 8}) {
      for (const int64_t grain : {1, 16}) {
        int64_t next = 0;
        for (int thread = 0; thread < threads; ++thread) {
          const Range range = SplitRange(items, thread, threads, grain);
          ASSERT_EQ(range.begin, next);
          ASSERT_TRUE(range.begin % grain == 0 || range.begin == items);
          ASSERT_GE(range.size(), 0);
          next = range.end;
        }
        ASSERT_EQ(next, items);
      }
    }
  }
}

TEST(ThreadPool, CallsEveryIndexOnceAgainAndAgain) {
  ThreadPool pool(3);
  EXPECT_EQ(pool.num_threads(), 3);
  for (int run = 0; run < 200; ++run) {
    std::vector<int> calls(3, 0);
    pool.Run(
        [&](int thread, int num_threads) { calls[static_cast<size_t>(thread)] += num_threads; });
    ASSERT_EQ(calls, std::vector<int>(3, 3)) << run;
  }
}

TEST(ThreadPool, CallerHasIndexZero) {
  ThreadPool pool(2);
  std::thread::id zero;
  pool.Run([&](int thread, int) {
    if (thread == 0) zero = std::this_thread::get_id();
  });
  EXPECT_EQ(zero, std::this_thread::get_id());
}

TEST(ThreadPool, WakesWorkersThatWentToSleep) {
  ThreadPool pool(2);
  for (int run = 0; run < 3; ++run) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // far longer than workers spin
    std::atomic<int> calls = 0;
    pool.Run([&](int, int) { ++calls; });
    ASSERT_EQ(calls, 2);
  }
}

TEST(ThreadPool, RethrowsAWorkersExceptionAndGoesOn) {
  ThreadPool pool(3);
  EXPECT_THROW(pool.Run([](int thread, int) {
    if (thread == 2) throw std::runtime_error("worker");
  }),
               std::runtime_error);
  EXPECT_THROW(pool.Run([](int thread, int) {
    if (thread == 0) throw std::runtime_error("caller");
  }),
               std::runtime_error);
  std::atomic<int> calls = 0;
  pool.Run([&](int, int) { ++calls; });
  EXPECT_EQ(calls, 3);
}

TEST(ThreadPool, AcceptsAConstantBody) {
  ThreadPool pool(2);
  std::atomic<int> calls = 0;
  const auto body = [&](int, int) { ++calls; };
  pool.Run(body);
  EXPECT_EQ(calls, 2);
}

TEST(ThreadPool, ForRangesCoversEveryItemOnce) {
  ThreadPool pool(3);
  for (const int64_t items : {0, 1, 5, 31, 32, 1000}) {
    std::vector<int> touched(static_cast<size_t>(items), 0);
    pool.ForRanges(items, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++touched[static_cast<size_t>(i)];
    });
    ASSERT_EQ(touched, std::vector<int>(static_cast<size_t>(items), 1));
  }
}

TEST(ThreadPool, ForRangesLeavesSmallWorkOnTheCaller) {
  ThreadPool pool(4);
  int calls = 0;
  const std::thread::id caller = std::this_thread::get_id();
  pool.ForRanges(31, 16, [&](int64_t begin, int64_t end) {
    ++calls;
    EXPECT_EQ(begin, 0);
    EXPECT_EQ(end, 31);
    EXPECT_EQ(std::this_thread::get_id(), caller);
  });
  EXPECT_EQ(calls, 1);
  std::atomic<int> pieces = 0;
  pool.ForRanges(64, 16, [&](int64_t begin, int64_t end) {
    ++pieces;
    EXPECT_GE(end - begin, 16);
  });
  EXPECT_EQ(pieces, 4);
}

TEST(ThreadPool, DealsEveryPieceOnceAndTheFirstToTheCaller) {
  for (const int num_threads : {1, 3}) {
    ThreadPool pool(num_threads);
    for (const int64_t pieces : {0, 1, 2, 3, 7, 100}) {
      for (int again = 0; again < 50; ++again) {
        std::vector<std::atomic<int>> calls(static_cast<size_t>(pieces));
        std::thread::id first = std::this_thread::get_id();
        pool.Deal(pieces, [&](int64_t piece) {
          ++calls[static_cast<size_t>(piece)];
          if (piece == 0) first = std::this_thread::get_id();
        });
        for (const std::atomic<int>& count : calls) ASSERT_EQ(count, 1);
        ASSERT_EQ(first, std::this_thread::get_id());
      }
    }
  }
}

TEST(ThreadPool, AWorkerThatIsHeldUpKeepsOnePieceFromTheOthers) {
  ThreadPool pool(2);
  const std::thread::id caller = std::this_thread::get_id();
  constexpr int kPieces = 8;
  for (int again = 0; again < 20; ++again) {
    std::atomic<int> done = 0;
    pool.Deal(kPieces, [&](int64_t) {
      // A worker waits until all other pieces are done, which only the caller is left to do.
      while (std::this_thread::get_id() != caller && done < kPieces - 1) std::this_thread::yield();
      ++done;
    });
    ASSERT_EQ(done, kPieces);
  }
}

#if defined(__x86_64__)
float HalfOfSmallest() {
  volatile float smallest = std::numeric_limits<float>::min();
  volatile float half = smallest * 0.5f;
  return half;
}

TEST(ThreadPool, FlushesDenormalsInEveryBodyAndNowhereElse) {
  for (const int num_threads : {1, 3}) {
    ThreadPool pool(num_threads);
    std::atomic<int> kept = 0;
    pool.Run([&](int, int) { kept += HalfOfSmallest() != 0.0f; });
    pool.ForRanges(1, 16, [&](int64_t, int64_t) { kept += HalfOfSmallest() != 0.0f; });
    pool.ForRanges(100, 1, [&](int64_t, int64_t) { kept += HalfOfSmallest() != 0.0f; });
    EXPECT_EQ(kept, 0) << num_threads;
    EXPECT_NE(HalfOfSmallest(), 0.0f);
  }
}
#endif

TEST(AvailableProcessors, IsAtLeastOne) { EXPECT_GE(AvailableProcessors(), 1); }

}  // namespace
}  // namespace tandem
