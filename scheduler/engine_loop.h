#pragma once
// The one thread that owns all scheduling state: drain the inbox, plan, run, deliver. Everything here
// may be called from any thread.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "engine/runner.h"
#include "scheduler/outbox.h"
#include "scheduler/request.h"

namespace tandem {

struct SchedulerConfig {
  int64_t max_sequences = 64;            // running at once
  int64_t max_step_tokens = 512;         // token budget of a step, prefill chunks and decodes together
  int64_t max_prefill_chunk = 256;       // of one sequence in one step
  int64_t max_queued_requests = 1024;    // accepted and not yet running
  int64_t max_queued_tokens = 1 << 20;   // prompt tokens of those
  bool prefix_caching = true;
};

// Why a request was not accepted.
enum class Rejection : uint8_t {
  kQueueFull,         // in requests or tokens; try again later
  kDraining,          // the server is stopping
  kContextExceeded,   // prompt + max_tokens can never fit the context
  kPoolExceeded,      // prompt + max_tokens can never fit the KV pool
  kDeadlinePassed,
  kInvalid,           // empty prompt, token id out of range
};

// A consistent snapshot for metrics and health; counters only grow.
struct EngineStats {
  int64_t num_running = 0, num_waiting = 0;
  int64_t num_queued_tokens = 0;
  int64_t num_pages = 0, num_free_pages = 0, num_cached_pages = 0;
  uint64_t steps = 0, prompt_tokens = 0, generated_tokens = 0;
  uint64_t cached_prompt_tokens = 0, recomputed_tokens = 0;
  uint64_t accepted = 0, finished = 0, cancelled = 0, failed = 0, rejected = 0, preemptions = 0;
  int64_t last_step_tokens = 0, last_step_sequences = 0;
  double busy_seconds = 0;
};

class EngineLoop {
 public:
  // `runner` outlives the loop. The thread starts here.
  EngineLoop(Runner& runner, const SchedulerConfig& config);
  ~EngineLoop();  // cancels what is left, then stops

  // Accepts or says why not; an accepted request ends with exactly one terminal event in `outbox`.
  std::optional<Rejection> Submit(std::shared_ptr<const Request> request,
                                  std::shared_ptr<Outbox> outbox);
  // Takes effect before the next step, in every phase. Unknown or finished ids are ignored.
  void Cancel(RequestId id, FinishReason reason = FinishReason::kCancelled);
  // Runs `fn` on the engine thread between steps and waits for it: how weights change.
  void Paused(const std::function<void()>& fn);
  // No more Submit; returns when all accepted requests have ended, or at the deadline after ending
  // them with kDrained. True when none had to be ended.
  bool Drain(Clock::time_point deadline);
  EngineStats Stats() const;
  // The engine thread is alive and its last step did not fail; false after an unrecoverable failure.
  bool Healthy() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tandem
