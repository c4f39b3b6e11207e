#include "api/routes/engine_errors.h"

#include <algorithm>
#include <cmath>

namespace tandem {

namespace {

// A client that comes back when the queue of now is through: 1 to 60.
int RetryAfterSeconds(const EngineStats& stats) {
  return static_cast<int>(std::clamp(std::ceil(stats.queue_seconds), 1.0, 60.0));
}

std::string ExpectedWait(const EngineStats& stats) {
  if (stats.queue_seconds == 0.0) return "";
  const auto milliseconds = static_cast<int64_t>(std::ceil(stats.queue_seconds * 1000.0));
  return ", which will take about " + std::to_string(milliseconds) + " ms";
}

}  // namespace

ApiError ErrorOfRejection(Rejection rejection, const EngineStats& stats) {
  ApiError error;
  switch (rejection) {
    case Rejection::kQueueFull:
      error =
          ErrorOfStatus(429, "the queue is full with " + std::to_string(stats.num_waiting) +
                                 " requests waiting" + ExpectedWait(stats) + "; try again later");
      error.retry_after_seconds = RetryAfterSeconds(stats);
      return error;
    case Rejection::kDraining:
      return ErrorOfStatus(503, "the server is stopping and takes no new requests");
    case Rejection::kUnhealthy:
      return ErrorOfStatus(503, "the engine failed and takes no requests until it is restarted");
    case Rejection::kContextExceeded:
      error = ErrorOfStatus(400, "prompt and max_tokens do not fit the model's context");
      error.param = "prompt";
      error.code = "context_length_exceeded";
      return error;
    case Rejection::kPoolExceeded:
      error = ErrorOfStatus(400,
                            "prompt and max_tokens do not fit the server's KV memory even alone; "
                            "ask for fewer tokens");
      error.param = "prompt";
      error.code = "context_length_exceeded";
      return error;
    case Rejection::kDeadlinePassed:
      return ErrorOfStatus(504, "the request's deadline had passed when it arrived");
    case Rejection::kInvalid:
      error = ErrorOfStatus(400, "the engine refused the prompt: empty, or an id out of range");
      error.param = "prompt";
      return error;
  }
  return ErrorOfStatus(500, "the engine refused the request");
}

ApiError ErrorOfBreaker(CircuitBreaker& breaker) {
  const auto seconds = breaker.RetryAfter().count();
  const bool is_open = breaker.state() == BreakerState::kOpen;
  ApiError error = ErrorOfStatus(
      503, "the engine is failing (" + std::to_string(breaker.num_failed()) + " of the last " +
               std::to_string(breaker.num_ended()) + " requests did)" +
               (is_open ? ", so none are taken for another " + std::to_string(seconds) + " s"
                        : " and is being tried with a few requests; try again later"));
  error.code = "circuit_open";
  error.retry_after_seconds = static_cast<int>(seconds);
  return error;
}

ApiError ErrorOfFinish(FinishReason reason, const std::string& message) {
  switch (reason) {
    case FinishReason::kDrained:
      return ErrorOfStatus(503, "the server stopped before the answer was complete");
    case FinishReason::kDeadline:
      return ErrorOfStatus(504, "the request's deadline passed before the answer was complete");
    case FinishReason::kDisplaced:
      return ErrorOfStatus(429,
                           "the queue was full, and a more urgent request took this one's place in "
                           "it; try again later");
    case FinishReason::kFailed:
      return ErrorOfStatus(500, message.empty() ? "the engine failed" : message);
    case FinishReason::kCancelled:
      return ErrorOfStatus(500, "the request was cancelled");
    case FinishReason::kStop:
    case FinishReason::kLength:
      break;
  }
  return ErrorOfStatus(500, "the request ended without a reason");
}

}  // namespace tandem
