#pragma once
// What the engine answers, as a client is told.

#include <string>

#include "api/openai/error.h"
#include "api/routes/circuit_breaker.h"
#include "scheduler/engine_loop.h"

namespace tandem {

// `stats` decides how long a client is asked to wait.
ApiError ErrorOfRejection(Rejection rejection, const EngineStats& stats);
// For the reasons that are no regular end: neither kStop nor kLength.
ApiError ErrorOfFinish(FinishReason reason, const std::string& message);
// For a request that it did not admit.
ApiError ErrorOfBreaker(CircuitBreaker& breaker);

}  // namespace tandem
