#pragma once
// The ask. Immutable and shared between the connection that made it and the engine loop; the
// progress is a Sequence, which only the engine loop touches.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/runner.h"

namespace tandem {

enum class RequestId : uint64_t {};

using Clock = std::chrono::steady_clock;

struct Request {
  RequestId id{};
  std::string trace_id;         // x-request-id; only for logs
  std::vector<TokenId> prompt;  // at least one token
  SamplingParams sampling;
  std::vector<TokenId> eos_ids;  // end the sequence unless sampling.ignore_eos
  int32_t priority = 0;          // lower runs first
  std::optional<Clock::time_point> deadline;
  uint64_t cache_salt = 0;  // tenant's salt: prefixes are shared only under the same one
};

// Why a request was not accepted.
enum class Rejection : uint8_t {
  kQueueFull,        // in requests, tokens or time; try again later
  kDraining,         // the server is stopping
  kContextExceeded,  // prompt + max_tokens can never fit the context
  kPoolExceeded,     // prompt + max_tokens can never fit the KV pool
  kDeadlinePassed,
  kInvalid,    // empty prompt, token id out of range, id of a request that is still live
  kUnhealthy,  // too many steps in a row failed: the process should be restarted
};

enum class FinishReason : uint8_t {
  kStop,       // an end token or a stop token id
  kLength,     // max_tokens, or the context is full
  kCancelled,  // by the client, or a closed connection
  kDeadline,   // the deadline passed
  kFailed,     // the device failed or logits were not finite: `message` says which
  kDrained,    // the server stopped before it could finish
  kDisplaced,  // the queue was full, and a more urgent request took its place in it
};

// What the engine loop tells the connection. Tokens come in order; exactly one event of an accepted
// request has `finish` set, and it is the last.
struct TokenEvent {
  std::optional<ScoredToken> token;  // absent in an event that only ends or reports the prompt;
                                     // the last one comes with kLength's finish
  std::vector<ScoredToken> prompt;   // prompt log-probabilities, before the first token, if asked
  std::optional<FinishReason> finish;
  std::optional<TokenId> stop_token;  // kStop: which id ended it (not part of the text, so it is
                                      // not in `token` either)
  float stop_logprob = 0.0f;          // kStop: its log-probability
  std::string message;                // kFailed: fit for clients, without internal details
  int64_t num_cached = 0;             // prompt tokens taken from the prefix cache
};

}  // namespace tandem
