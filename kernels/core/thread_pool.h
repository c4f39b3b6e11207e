#pragma once
// A pool whose workers spin briefly before they sleep: a decode step has dozens of small parallel
// regions, and waking a sleeping thread costs more than most of them. One thread at a time may call
// Run (the engine loop, or the trainer); it takes part as thread 0. Workers and callers inside Run
// flush denormals.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>

namespace tandem {

// Half-open range of items that thread `index` of `count` owns in a static split.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};
// Splits [0, num_items) evenly; thread boundaries fall on multiples of `grain`.
Range SplitRange(int64_t num_items, int thread, int num_threads, int64_t grain = 1);

// Sets flush-to-zero and denormals-are-zero on the calling thread for its lifetime in scope.
class ScopedFlushDenormals {
 public:
  ScopedFlushDenormals();
  ~ScopedFlushDenormals();
  ScopedFlushDenormals(const ScopedFlushDenormals&) = delete;
  ScopedFlushDenormals& operator=(const ScopedFlushDenormals&) = delete;

 private:
  uint32_t saved_ = 0;
};

class ThreadPool {
 public:
  // num_threads counts the caller: 1 means no workers. Pins nothing.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return num_threads_; }

  // Calls body(thread, num_threads) once on every thread and returns when all are done. The first
  // exception thrown by any of them is rethrown here. `body` is borrowed for the call; no
  // allocation.
  template <typename Body>
  requires std::is_invocable_v<Body&, int, int>
  void Run(Body&& body) {
    RunErased(
        [](void* target, int thread, int num_threads) {
          (*static_cast<std::remove_reference_t<Body>*>(target))(thread, num_threads);
        },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

  // Calls body(begin, end) on contiguous shares of [0, num_items). With fewer than 2 * grain items
  // (or one thread) it runs on the caller alone.
  template <typename Body>
  requires std::is_invocable_v<Body&, int64_t, int64_t>
  void ForRanges(int64_t num_items, int64_t grain, Body&& body) {
    if (num_threads_ == 1 || num_items < 2 * grain) {
      if (num_items <= 0) return;
      const ScopedFlushDenormals flush;  // as in Run: a split must not change a bit
      body(int64_t{0}, num_items);
      return;
    }
    Run([&](int thread, int num_threads) {
      const Range range = SplitRange(num_items, thread, num_threads);
      if (range.size() > 0) body(range.begin, range.end);
    });
  }

 private:
  using ErasedBody = void (*)(void* target, int thread, int num_threads);
  void RunErased(ErasedBody body, void* target);

  struct State;
  int num_threads_;
  std::unique_ptr<State> state_;
};

// Processors this process may use: affinity mask and cgroup quota considered; at least 1.
int AvailableProcessors();

}  // namespace tandem
