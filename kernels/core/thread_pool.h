#pragma once
// A pool whose workers spin briefly before they sleep: a decode step has dozens of small parallel
// regions, and waking a sleeping thread costs more than most of them. One thread at a time may call
// it (the engine loop, or the trainer), and takes part. Workers and callers inside it flush
// denormals.
//
// Work is dealt in pieces: each thread has a share of them and takes them one by one; who is done
// takes what others have left. A thread that the system has put aside, or that is slow to wake, so
// delays the others by one piece at most, and by nothing where it has none in hand.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>

namespace tandem {

// Half-open range of items that part `index` of `count` owns.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};
// Splits [0, num_items) evenly; boundaries fall on multiples of `grain`.
Range SplitRange(int64_t num_items, int64_t index, int64_t count, int64_t grain = 1);

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

  // Calls body(piece) once for each piece in [0, num_pieces), at most num_threads() of them at a
  // time, and returns when all are done; piece 0 runs on the caller. The first exception thrown by
  // any of them is rethrown here, after pieces that nobody had begun were dropped. `body` is
  // borrowed for the call; no allocation.
  template <typename Body>
  requires std::is_invocable_v<Body&, int64_t>
  void Deal(int64_t num_pieces, Body&& body) {
    DealErased(num_pieces,
               [](void* target, int64_t piece) {
                 (*static_cast<std::remove_reference_t<Body>*>(target))(piece);
               },
               const_cast<void*>(static_cast<const void*>(&body)));
  }

  // Calls body(index, num_threads) once for each index below num_threads, dealt as pieces: what an
  // index owns (a share, scratch) is used by one thread at a time, not by the same one each time.
  template <typename Body>
  requires std::is_invocable_v<Body&, int, int>
  void Run(Body&& body) {
    Deal(num_threads_, [&](int64_t index) { body(static_cast<int>(index), num_threads_); });
  }

  // Calls body(begin, end) on contiguous ranges that cover [0, num_items), each of at least `grain`
  // items. With fewer than 2 * grain items (or one thread) it runs on the caller alone.
  template <typename Body>
  requires std::is_invocable_v<Body&, int64_t, int64_t>
  void ForRanges(int64_t num_items, int64_t grain, Body&& body) {
    if (num_threads_ == 1 || num_items < 2 * grain) {
      if (num_items <= 0) return;
      const ScopedFlushDenormals flush;  // as in Deal: a split must not change a bit
      body(int64_t{0}, num_items);
      return;
    }
    const int64_t num_pieces = NumPieces(num_items / grain);
    Deal(num_pieces, [&](int64_t piece) {
      const Range range = SplitRange(num_items, piece, num_pieces);
      body(range.begin, range.end);
    });
  }

  // Into how many pieces to cut work that could be cut into `most`: enough for a thread that falls
  // behind to leave some to others, few enough for dealing to cost nothing.
  int64_t NumPieces(int64_t most) const;

 private:
  using ErasedBody = void (*)(void* target, int64_t piece);
  void DealErased(int64_t num_pieces, ErasedBody body, void* target);

  struct State;
  int num_threads_;
  std::unique_ptr<State> state_;
};

// Processors this process may use: affinity mask and cgroup quota considered; at least 1.
int AvailableProcessors();

}  // namespace tandem
