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

void Relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

}  // namespace

Range SplitRange(int64_t num_items, int thread, int num_threads, int64_t grain) {
  const int64_t num_grains = (num_items + grain - 1) / grain;
  const int64_t begin = num_grains * thread / num_threads * grain;
  const int64_t end = num_grains * (thread + 1) / num_threads * grain;
  return {std::min(begin, num_items), std::min(end, num_items)};
}

struct ThreadPool::State {
  // Written by Run before `epoch` is bumped; read by workers after they see the bump.
  ErasedBody body = nullptr;
  void* target = nullptr;

  alignas(64) std::atomic<uint32_t> epoch{0};    // one more for each Run; workers wait on it
  alignas(64) std::atomic<int> num_running{0};   // workers still inside the current body
  alignas(64) std::atomic<int> num_sleeping{0};  // workers in epoch.wait
  std::atomic<bool> stopping{false};
  std::mutex failure_mutex;
  std::exception_ptr failure;  // first exception of the current Run
  std::vector<std::jthread> workers;

  void Call(int thread, int num_threads) noexcept {
    try {
      body(target, thread, num_threads);
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
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
    num_sleeping.fetch_sub(1, std::memory_order_relaxed);
    return now;
  }

  void WorkerLoop(int thread, int num_threads) {
    const ScopedFlushDenormals flush;
    uint32_t seen = 0;
    while (true) {
      seen = AwaitEpochAfter(seen);
      if (stopping.load(std::memory_order_acquire)) return;
      Call(thread, num_threads);
      num_running.fetch_sub(1, std::memory_order_release);
    }
  }
};

ThreadPool::ThreadPool(int num_threads)
    : num_threads_(num_threads), state_(std::make_unique<State>()) {
  CHECK(num_threads >= 1, num_threads);
  for (int thread = 1; thread < num_threads; ++thread) {
    state_->workers.emplace_back(
        [state = state_.get(), thread, num_threads] { state->WorkerLoop(thread, num_threads); });
  }
}

ThreadPool::~ThreadPool() {
  state_->stopping.store(true, std::memory_order_release);
  state_->epoch.fetch_add(1, std::memory_order_seq_cst);
  state_->epoch.notify_all();
}

void ThreadPool::RunErased(ErasedBody body, void* target) {
  const ScopedFlushDenormals flush;
  if (num_threads_ == 1) {
    body(target, 0, 1);
    return;
  }
  State& state = *state_;
  state.body = body;
  state.target = target;
  state.num_running.store(num_threads_ - 1, std::memory_order_relaxed);
  state.epoch.fetch_add(1, std::memory_order_seq_cst);
  if (state.num_sleeping.load(std::memory_order_seq_cst) > 0) state.epoch.notify_all();
  state.Call(0, num_threads_);
  for (int spin = 0; state.num_running.load(std::memory_order_acquire) > 0; ++spin) {
    if (spin < kSpins) {
      Relax();
    } else {
      std::this_thread::yield();  // the machine is oversubscribed: let the worker have the core
    }
  }
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
