#pragma once
// What became of one request, and when. Times are offsets from the start of the run, so a test can
// write them down. Plain data; made by an Exchange, read by Measures and Timeline.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tandem {

enum class Outcome : uint8_t {
  kCompleted,
  kCancelled,    // we cut it, as the workload says
  kUnfinished,   // the run ended before it did
  kNotSent,      // due, and held back until the run ended
  kRefused,      // no connection
  kTooMany,      // 429
  kUnavailable,  // 503
  kBadRequest,   // any other 4xx
  kServerError,  // any other 5xx
  kTimeout,
  kBroken,       // the connection ended, or what came was no HTTP, before the answer was whole
  kStreamError,  // an error event in the stream
};
inline constexpr size_t kNumOutcomes = 12;

std::string_view Name(Outcome outcome);  // "completed", "429", "broken stream"
// Neither completed nor cut on purpose.
bool IsError(Outcome outcome);

struct RequestRecord {
  using Offset = std::chrono::nanoseconds;

  Offset scheduled{};     // when it was due; every latency counts from here
  Offset sent{};          // when it went to a connection; of kNotSent when that was given up
  Offset first_output{};  // the first text of a stream; 0 without
  Offset end{};           // the last output of a stream, the last byte of a whole answer

  int64_t num_input_tokens = 0;   // as the server counted; 0 where it does not
  int64_t num_cached_tokens = 0;  // of those, found in the server's prefix cache
  int64_t num_output_tokens = 0;
  uint32_t class_index = 0;  // in the workload's mix
  int32_t status = 0;        // of HTTP; 0: no answer
  Outcome outcome = Outcome::kCompleted;
  bool is_streamed = false;
  bool has_usage = false;  // num_output_tokens is the server's; else the number of chunks
};

}  // namespace tandem
