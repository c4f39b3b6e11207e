#pragma once
// Requests for a scheduler's engine loop over a small model.

#include <memory>
#include <vector>

#include "scheduler/request.h"
#include "scheduler/scheduler_config.h"
#include "tests/cuda_on_cpu/small_models.h"

namespace tandem {

inline SchedulerConfig Scheduling(int64_t max_sequences, int64_t chunk) {
  SchedulerConfig scheduling;
  scheduling.max_sequences = max_sequences;
  scheduling.max_step_tokens = 64;
  scheduling.max_prefill_chunk = chunk;
  return scheduling;
}

// Of several lengths, greedy and drawn, the later ones with a prompt that began before.
inline std::vector<std::shared_ptr<const Request>> SomeRequests(const ModelConfig& config) {
  std::vector<std::shared_ptr<const Request>> requests;
  for (int i = 0; i < 6; ++i) {
    auto request = std::make_shared<Request>();
    request->id = RequestId{static_cast<uint64_t>(i + 1)};
    request->prompt = RandomTokens(config, 5 + 7 * i, static_cast<uint64_t>(i % 2));
    request->sampling.temperature = i % 3 == 0 ? 0.0f : 0.9f;
    if (i == 1) request->sampling.top_p = 0.8f;
    if (i == 2) request->sampling.repetition_penalty = 1.2f;
    if (i == 4) request->sampling.top_k = 20;
    request->sampling.seed = static_cast<uint64_t>(i);
    request->sampling.max_tokens = 5;
    request->sampling.ignore_eos = true;
    request->sampling.logprobs = 2;
    requests.push_back(std::move(request));
  }
  return requests;
}

}  // namespace tandem
