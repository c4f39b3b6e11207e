#include "kernels/core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernels/core/check.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tandem {
namespace {

// About 50-100 us of spinning: longer than the gap between two ops of a step, shorter than a gap
// between steps that anyone would notice as a busy core.
constexpr int kSpins = 4000;

constexpr int64_t kPiecesPerThread = 4;

void Relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

}  // namespace

Range SplitRange(int64_t num_items, int64_t index, int64_t count, int64_t grain) {
  const int64_t num_grains = (num_items + grain - 1) / grain;
  const int64_t begin = num_grains * index / count * grain;
  const int64_t end = num_grains * (index + 1) / count * grain;
  return {std::min(begin, num_items), std::min(end, num_items)};
}

// A region is open from the time its pieces are laid out until the caller finds none left. Workers
// come in while it is open and are waited for; one that comes late finds it closed, and has lost
// nothing.
struct ThreadPool::State {
  // Pieces [next, end) of one thread's share; anyone takes from the front.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  static constexpr uint32_t kClosed = 1u << 31;

  explicit State(int num_threads) : shares(static_cast<size_t>(num_threads)) {}

  // Written by the caller before the region opens; read by workers that came in.
  ErasedBody body = nullptr;
  void* target = nullptr;
  std::vector<Share> shares;

  alignas(64) std::atomic<uint32_t> epoch{0};       // one more for each region; workers wait on it
  alignas(64) std::atomic<uint32_t> gate{kClosed};  // closed or not, and the workers inside
  alignas(64) std::atomic<int> num_sleeping{0};     // workers to wake; those that did not sleep too
  std::atomic<bool> stopping{false};
  std::mutex failure_mutex;
  std::exception_ptr failure;  // first exception of the current region
  std::vector<std::jthread> workers;

  void Call(int64_t piece) noexcept {
    try {
      body(target, piece);
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
      for (Share& share : shares) share.next.store(share.end, std::memory_order_relaxed);
    }
  }

  // Own pieces first, then those of the threads after this one.
  void TakePieces(int thread) {
    const size_t count = shares.size();
    for (size_t i = 0; i < count; ++i) {
      Share& share = shares[(static_cast<size_t>(thread) + i) % count];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const int64_t piece = share.next.fetch_add(1, std::memory_order_relaxed);
        if (piece < share.end) Call(piece);
      }
    }
  }

  bool Enter() {
    uint32_t seen = gate.load(std::memory_order_relaxed);
    do {
      if ((seen & kClosed) != 0) return false;
    } while (!gate.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire,
                                         std::memory_order_relaxed));
    return true;
  }

  uint32_t AwaitEpochAfter(uint32_t seen) {
    for (int spin = 0; spin < kSpins; ++spin) {
      const uint32_t now = epoch.load(std::memory_order_acquire);
      if (now != seen) return now;
      Relax();
    }
    num_sleeping.fetch_add(1, std::memory_order_seq_cst);
    uint32_t now = epoch.load(std::memory_order_seq_cst);
    while (now == seen) {
      epoch.wait(seen, std::memory_order_acquire);
      now = epoch.load(std::memory_order_acquire);
    }
    return now;
  }

  void WorkerLoop(int thread) {
    const ScopedFlushDenormals flush;
    uint32_t seen = 0;
    while (true) {
      seen = AwaitEpochAfter(seen);
      if (stopping.load(std::memory_order_acquire)) return;
      if (!Enter()) continue;
      TakePieces(thread);
      gate.fetch_sub(1, std::memory_order_release);
    }
  }

  // Lays out [1, num_pieces): piece 0 is the caller's in any case.
  void LayOut(int64_t num_pieces) {
    const auto count = static_cast<int64_t>(shares.size());
    for (int64_t i = 0; i < count; ++i) {
      const Range range = SplitRange(num_pieces - 1, i, count);
      Share& share = shares[static_cast<size_t>(i)];
      share.next.store(1 + range.begin, std::memory_order_relaxed);
      share.end = 1 + range.end;
    }
  }

  void AwaitWorkers() {
    gate.fetch_or(kClosed, std::memory_order_relaxed);
    for (int spin = 0; gate.load(std::memory_order_acquire) != kClosed; ++spin) {
      if (spin < kSpins) {
        Relax();
      } else {
        std::this_thread::yield();  // the machine is oversubscribed: let the worker have the core
      }
    }
  }
};

ThreadPool::ThreadPool(int num_threads)
    : num_threads_(num_threads), state_(std::make_unique<State>(std::max(num_threads, 1))) {
  CHECK(num_threads >= 1, num_threads);
  for (int thread = 1; thread < num_threads; ++thread) {
    state_->workers.emplace_back([state = state_.get(), thread] { state->WorkerLoop(thread); });
  }
}

ThreadPool::~ThreadPool() {
  state_->stopping.store(true, std::memory_order_release);
  state_->epoch.fetch_add(1, std::memory_order_seq_cst);
  state_->epoch.notify_all();
}

int64_t ThreadPool::NumPieces(int64_t most) const {
  return std::clamp<int64_t>(most, 1, num_threads_ == 1 ? 1 : kPiecesPerThread * num_threads_);
}

void ThreadPool::DealErased(int64_t num_pieces, ErasedBody body, void* target) {
  if (num_pieces <= 0) return;
  const ScopedFlushDenormals flush;
  if (num_threads_ == 1 || num_pieces == 1) {
    for (int64_t piece = 0; piece < num_pieces; ++piece) body(target, piece);
    return;
  }
  State& state = *state_;
  state.body = body;
  state.target = target;
  state.LayOut(num_pieces);
  state.gate.store(0, std::memory_order_release);  // none is inside, and none comes in while closed
  state.epoch.fetch_add(1, std::memory_order_seq_cst);
  if (state.num_sleeping.load(std::memory_order_seq_cst) > 0) {
    state.num_sleeping.store(0, std::memory_order_relaxed);
    state.epoch.notify_all();
  }
  state.Call(0);
  state.TakePieces(0);
  state.AwaitWorkers();
  if (state.failure) std::rethrow_exception(std::exchange(state.failure, nullptr));
}

int AvailableProcessors() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) count = CPU_COUNT(&set);
  // cgroup v2: "max 100000" or "<quota> <period>" in microseconds.
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (file >> quota >> period && quota != "max" && period > 0) {
    const double allowed = std::floor(std::strtod(quota.c_str(), nullptr) / period);
    if (allowed >= 1) count = std::min(count, static_cast<int>(allowed));
  }
  return std::max(count, 1);
}

ScopedFlushDenormals::ScopedFlushDenormals() {
#if defined(__x86_64__)
  saved_ = _mm_getcsr();
  _mm_setcsr(saved_ | 0x8040u);  // FTZ bit 15, DAZ bit 6
#endif
}

ScopedFlushDenormals::~ScopedFlushDenormals() {
#if defined(__x86_64__)
  _mm_setcsr(saved_);
#endif
}

}  // namespace tandem
