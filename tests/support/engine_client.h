#pragma once
// Submits requests to an EngineLoop and waits for their ends.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "scheduler/engine_loop.h"

namespace tandem {

// Everything one request was told, in order.
struct Transcript {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  std::vector<float> prompt_logprobs;
  FinishReason finish = FinishReason::kFailed;
  int64_t num_cached = 0;
  int num_ends = 0;
};

// Submits all requests at once and returns their transcripts in the same order. Every request must
// be accepted.
std::vector<Transcript> RunRequests(EngineLoop& loop,
                                    const std::vector<std::shared_ptr<const Request>>& requests);

}  // namespace tandem
