#include "scheduler/scheduler_config.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "kernels/core/check.h"

namespace tandem {
namespace {

void RequirePositive(std::string_view name, int64_t value) {
  if (value >= 1) return;
  throw ConfigError(std::string(name) + " is " + std::to_string(value) +
                    ", but at least 1 is needed; raise it or leave it at its default");
}

}  // namespace

SchedulerConfig ClampToLimits(const SchedulerConfig& config, const RunnerLimits& limits) {
  RequirePositive("max_sequences", config.max_sequences);
  RequirePositive("max_step_tokens", config.max_step_tokens);
  RequirePositive("max_prefill_chunk", config.max_prefill_chunk);
  RequirePositive("max_queued_requests", config.max_queued_requests);
  RequirePositive("max_queued_tokens", config.max_queued_tokens);
  RequirePositive("max_step_failures", config.max_step_failures);
  RequirePositive("the number of KV pages", limits.num_pages);
  RequirePositive("the runner's context", limits.max_context);
  RequirePositive("the runner's tokens in a step", limits.max_step_tokens);
  RequirePositive("the runner's sequences in a step", limits.max_sequences);
  CHECK(limits.page_tokens == KvLayout::kPageTokens, limits.page_tokens);

  SchedulerConfig clamped = config;
  clamped.max_step_tokens = std::min(config.max_step_tokens, limits.max_step_tokens);
  clamped.max_sequences =
      std::min({config.max_sequences, limits.max_sequences, clamped.max_step_tokens});
  clamped.max_prefill_chunk = std::min(config.max_prefill_chunk, clamped.max_step_tokens);
  return clamped;
}

}  // namespace tandem
