#pragma once
// Stops sending requests to an engine that fails, and tries it again after a while. One for all
// requests of a server; it outlives its permits. Used on the I/O thread only, permits too.
//
// Closed: every request passes, and the outcomes of the last `window` are counted. Once at least
// `min_requests` ended in it and the failed share reaches `threshold`, it opens. Open: none passes,
// for `open_time`. Half-open: at most `num_probes` pass at once; as many successes close it, and
// one failure opens it again for twice as long, up to `max_open_time`.

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace tandem {

enum class BreakerState : uint8_t { kClosed, kOpen, kHalfOpen };

std::string_view Name(BreakerState state);  // "closed", "open", "half_open"

struct BreakerOptions {
  double threshold = 0.1;  // share of failures, above 0 to 1; 0: always closed
  std::chrono::milliseconds window{30'000};
  int64_t min_requests = 20;
  std::chrono::milliseconds open_time{10'000};
  // At least open_time. OpenAI's clients ignore a longer Retry-After than a minute.
  std::chrono::milliseconds max_open_time{60'000};
  int64_t num_probes = 3;
};

// For metrics. Counters (uint64_t) only grow.
struct BreakerStats {
  BreakerState state = BreakerState::kClosed;
  uint64_t opened = 0;  // transitions to each state
  uint64_t half_opened = 0;
  uint64_t closed = 0;
  uint64_t refused = 0;   // by Admit
  uint64_t degraded = 0;  // of those, answered all the same
  uint64_t failures = 0;  // outcomes, in every state
};

class CircuitBreaker {
 public:
  using Clock = std::chrono::steady_clock;

  struct Transition {
    BreakerState from{};
    BreakerState to{};
    int64_t num_failed = 0;                  // in the window, or of the probes
    int64_t num_ended = 0;                   // the same, with successes
    std::chrono::milliseconds open_time{0};  // to kOpen: how long
  };

  // Leave to ask the engine. Its outcome is told at most once; destroyed without one (cancelled by
  // the client, a bad request, a full queue) it counts as neither, and a probe's place is free
  // again. Outcomes of requests from before the last transition say nothing about now and are
  // only added up.
  class Permit {
   public:
    Permit() = default;  // of no breaker
    Permit(Permit&& other) noexcept;
    Permit& operator=(Permit&& other) noexcept;
    ~Permit();

    void Succeed();
    void Fail();

   private:
    friend class CircuitBreaker;
    Permit(CircuitBreaker& breaker, uint64_t epoch) : breaker_(&breaker), epoch_(epoch) {}

    CircuitBreaker* breaker_ = nullptr;  // null: told, or moved away
    uint64_t epoch_ = 0;
  };

  // `now` is asked at every call. `on_transition` may be empty; it is called after each one.
  explicit CircuitBreaker(const BreakerOptions& options,
                          std::function<Clock::time_point()> now = Clock::now,
                          std::function<void(const Transition&)> on_transition = {});
  CircuitBreaker(const CircuitBreaker&) = delete;
  CircuitBreaker& operator=(const CircuitBreaker&) = delete;

  // Nothing: refused.
  std::optional<Permit> Admit();
  void CountDegraded() { stats_.degraded += 1; }

  // An open breaker whose time is over is half-open, whoever asks.
  BreakerState state();
  // The rest of the open time, rounded up, at least a second; what a refused client is told.
  std::chrono::seconds RetryAfter();
  BreakerStats stats();
  // Failed and ended requests that made it open last.
  int64_t num_failed() const { return cause_.num_failed; }
  int64_t num_ended() const { return cause_.num_ended; }

 private:
  enum class Outcome : uint8_t { kSuccess, kFailure, kNeither };
  struct Counts {
    int64_t num_failed = 0;
    int64_t num_ended = 0;
  };
  // Part of the window: outcomes between two multiples of the slice's width.
  struct Slice {
    int64_t number = -1;
    Counts counts;
  };
  static constexpr int64_t kNumSlices = 20;

  void End(uint64_t epoch, Outcome outcome);
  void EndWhileClosed(Outcome outcome);
  void EndProbe(Outcome outcome);
  void Advance();  // to half-open when it is time
  void Open(const Counts& cause);
  void Enter(BreakerState state, const Counts& cause);
  int64_t SliceNumber() const;
  Counts WindowCounts() const;

  const BreakerOptions options_;
  const std::function<Clock::time_point()> now_;
  const std::function<void(const Transition&)> on_transition_;
  const std::chrono::milliseconds slice_width_;

  BreakerStats stats_;                    // its state is the breaker's
  uint64_t epoch_ = 0;                    // of the present state; one more each transition
  std::array<Slice, kNumSlices> slices_;  // a ring, by number
  Counts cause_;                          // of the last opening
  std::chrono::milliseconds open_time_;   // of the present or the next opening
  Clock::time_point open_until_;          // set by Open
  int64_t num_probing_ = 0;               // half-open: permits out
  Counts probes_;                         // half-open: told
};

}  // namespace tandem
