#pragma once
// A consistent snapshot for metrics and health, taken between steps. Counters (uint64_t) only grow.

#include <cstdint>

namespace tandem {

struct EngineStats {
  int64_t num_running = 0;
  int64_t num_waiting = 0;        // queued and preempted
  int64_t num_queued_tokens = 0;  // prompt tokens accepted and not yet running
  double queue_seconds = 0;       // that the least urgent request would wait if it came now
  int64_t num_pages = 0;
  int64_t num_free_pages = 0;
  int64_t num_cached_pages =
      0;  // held by the prefix cache alone: as good as free; the rest is in use
  uint64_t steps = 0;
  uint64_t prompt_tokens = 0;         // computed or taken from the cache, once for each request
  uint64_t generated_tokens = 0;      // drawn, end tokens included
  uint64_t cached_prompt_tokens = 0;  // the part of prompt_tokens that the prefix cache gave
  uint64_t recomputed_tokens = 0;     // computed again after a preemption or a change of weights
  // accepted = finished + cancelled + failed + what is live.
  uint64_t accepted = 0;
  uint64_t finished = 0;   // kStop, kLength
  uint64_t cancelled = 0;  // kCancelled, kDeadline, kDrained, kDisplaced
  uint64_t failed = 0;     // kFailed
  uint64_t rejected = 0;
  uint64_t preemptions = 0;
  int64_t last_step_tokens = 0;
  int64_t last_step_sequences = 0;
  double busy_seconds = 0;  // spent in steps
};

}  // namespace tandem
