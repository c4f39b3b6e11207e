#pragma once
// The scheduler's knobs. Immutable once the loop runs.

#include <chrono>
#include <cstdint>

#include "engine/runner.h"

namespace tandem {

struct SchedulerConfig {
  int64_t max_sequences = 64;       // running at once
  int64_t max_step_tokens = 512;    // token budget of a step, prefill chunks and decodes together
  int64_t max_prefill_chunk = 256;  // of one sequence in one step
  int64_t max_queued_requests = 1024;  // accepted and not yet running
  int64_t max_queued_tokens =
      1 << 20;  // prompt tokens of those; an empty queue takes any one request
  // A request that would wait longer for its turn is refused (QueueLedger); 0: it may wait.
  std::chrono::milliseconds max_queue_time{0};
  bool prefix_caching = true;
  // While sequences decode, a step takes on prompt tokens only as far as it is expected to end
  // within this time, or twice the time that it takes without them if that is longer; 0: no limit.
  std::chrono::milliseconds target_itl{0};
  // While the most urgent priority has work, steps take on less urgent ones only as far as they are
  // expected to take at most so many times as long on average as without them; 0: no limit.
  double priority_slowdown = 0.0;
  // So many failed steps in a row, and the last of them so long after the first, make the engine
  // unhealthy.
  int64_t max_step_failures = 3;
  std::chrono::milliseconds give_up_after{0};
};

// What the runner can do of it: the token and sequence budgets are lowered to its limits, and
// max_sequences to max_step_tokens, so that a prefill always finds a token left over by the
// decodes. Throws ConfigError when a knob or a limit is below 1.
SchedulerConfig ClampToLimits(const SchedulerConfig& config, const RunnerLimits& limits);

}  // namespace tandem
