#pragma once
// POST /v1/completions: parses, encodes and checks the prompts, and starts a CompletionRun. Runs on
// the I/O thread; lives as long as the router.

#include <cstdint>
#include <optional>
#include <random>
#include <variant>

#include "api/routes/completion_run.h"
#include "api/routes/router.h"
#include "api/routes/served_model.h"

namespace tandem {

class CompletionsRoute {
 public:
  // `model` and `metrics` outlive the route.
  CompletionsRoute(const ServedModel& model, ServerMetrics& metrics);

  Reply operator()(Call& call);

 private:
  using Encoded = std::variant<std::vector<EncodedPrompt>, ApiError>;
  Encoded EncodePrompts(const CompletionRequest& ask) const;
  std::variant<EncodedPrompt, ApiError> EncodePrompt(const CompletionPrompt& prompt) const;
  std::optional<ApiError> CheckLength(const CompletionRequest& ask, int64_t num_prompt) const;

  const ServedModel& model_;
  ServerMetrics& metrics_;
  const int64_t max_prompt_bytes_;  // a longer text cannot fit the context, whatever its tokens
  std::mt19937_64 seeds_{std::random_device{}()};
  uint64_t next_id_ = 1;
};

// 404, or nothing when the name is served (or absent).
std::optional<ApiError> CheckModelName(const ServedModel& model, std::string_view name);

}  // namespace tandem
