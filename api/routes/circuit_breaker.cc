#include "api/routes/circuit_breaker.h"

#include <algorithm>
#include <utility>

namespace tandem {

std::string_view Name(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed:
      return "closed";
    case BreakerState::kOpen:
      return "open";
    case BreakerState::kHalfOpen:
      return "half_open";
  }
  return "unknown";
}

CircuitBreaker::Permit::Permit(Permit&& other) noexcept
    : breaker_(std::exchange(other.breaker_, nullptr)), epoch_(other.epoch_) {}

CircuitBreaker::Permit& CircuitBreaker::Permit::operator=(Permit&& other) noexcept {
  std::swap(breaker_, other.breaker_);  // what this one had ends with `other`
  std::swap(epoch_, other.epoch_);
  return *this;
}

CircuitBreaker::Permit::~Permit() {
  if (breaker_ != nullptr) breaker_->End(epoch_, Outcome::kNeither);
}

void CircuitBreaker::Permit::Succeed() {
  if (CircuitBreaker* breaker = std::exchange(breaker_, nullptr)) {
    breaker->End(epoch_, Outcome::kSuccess);
  }
}

void CircuitBreaker::Permit::Fail() {
  if (CircuitBreaker* breaker = std::exchange(breaker_, nullptr)) {
    breaker->End(epoch_, Outcome::kFailure);
  }
}

CircuitBreaker::CircuitBreaker(const BreakerOptions& options,
                               std::function<Clock::time_point()> now,
                               std::function<void(const Transition&)> on_transition)
    : options_(options),
      now_(std::move(now)),
      on_transition_(std::move(on_transition)),
      slice_width_(std::max(options.window / kNumSlices, std::chrono::milliseconds(1))),
      open_time_(options.open_time) {}

std::optional<CircuitBreaker::Permit> CircuitBreaker::Admit() {
  Advance();
  const bool is_full =
      stats_.state == BreakerState::kHalfOpen && num_probing_ >= options_.num_probes;
  if (stats_.state == BreakerState::kOpen || is_full) {
    stats_.refused += 1;
    return std::nullopt;
  }
  if (stats_.state == BreakerState::kHalfOpen) num_probing_ += 1;
  return Permit(*this, epoch_);
}

BreakerState CircuitBreaker::state() {
  Advance();
  return stats_.state;
}

std::chrono::seconds CircuitBreaker::RetryAfter() {
  constexpr std::chrono::seconds kLeast{1};
  if (state() != BreakerState::kOpen) return kLeast;
  return std::max(kLeast, std::chrono::ceil<std::chrono::seconds>(open_until_ - now_()));
}

BreakerStats CircuitBreaker::stats() {
  Advance();
  return stats_;
}

void CircuitBreaker::End(uint64_t epoch, Outcome outcome) {
  if (outcome == Outcome::kFailure) stats_.failures += 1;
  if (options_.threshold <= 0.0 || epoch != epoch_) return;
  switch (stats_.state) {
    case BreakerState::kClosed:
      return EndWhileClosed(outcome);
    case BreakerState::kHalfOpen:
      return EndProbe(outcome);
    case BreakerState::kOpen:
      return;  // lets nobody pass, so nobody has a permit of its epoch
  }
}

void CircuitBreaker::EndWhileClosed(Outcome outcome) {
  if (outcome == Outcome::kNeither) return;
  const int64_t number = SliceNumber();
  Slice& slice = slices_[static_cast<size_t>(number % kNumSlices)];
  if (slice.number != number) slice = {.number = number, .counts = {}};
  slice.counts.num_ended += 1;
  slice.counts.num_failed += outcome == Outcome::kFailure;

  const Counts counts = WindowCounts();
  const double share =
      static_cast<double>(counts.num_failed) / static_cast<double>(counts.num_ended);
  if (counts.num_ended >= options_.min_requests && share >= options_.threshold) Open(counts);
}

void CircuitBreaker::EndProbe(Outcome outcome) {
  num_probing_ -= 1;
  if (outcome == Outcome::kNeither) return;
  probes_.num_ended += 1;
  probes_.num_failed += outcome == Outcome::kFailure;
  if (outcome == Outcome::kFailure) {
    open_time_ = std::min(open_time_ * 2, options_.max_open_time);
    return Open(probes_);
  }
  if (probes_.num_ended < options_.num_probes) return;
  open_time_ = options_.open_time;
  slices_.fill({});
  Enter(BreakerState::kClosed, probes_);
}

void CircuitBreaker::Advance() {
  if (stats_.state != BreakerState::kOpen || now_() < open_until_) return;
  num_probing_ = 0;
  probes_ = {};
  Enter(BreakerState::kHalfOpen, cause_);
}

void CircuitBreaker::Open(const Counts& cause) {
  cause_ = cause;
  open_until_ = now_() + open_time_;
  Enter(BreakerState::kOpen, cause);
}

void CircuitBreaker::Enter(BreakerState state, const Counts& cause) {
  Transition transition{.from = std::exchange(stats_.state, state),
                        .to = state,
                        .num_failed = cause.num_failed,
                        .num_ended = cause.num_ended};
  epoch_ += 1;
  if (state == BreakerState::kOpen) {
    stats_.opened += 1;
    transition.open_time = open_time_;
  } else if (state == BreakerState::kHalfOpen) {
    stats_.half_opened += 1;
  } else {
    stats_.closed += 1;
  }
  if (on_transition_) on_transition_(transition);
}

int64_t CircuitBreaker::SliceNumber() const { return now_().time_since_epoch() / slice_width_; }

CircuitBreaker::Counts CircuitBreaker::WindowCounts() const {
  const int64_t oldest = SliceNumber() - kNumSlices + 1;
  Counts sum;
  for (const Slice& slice : slices_) {
    if (slice.number < oldest) continue;
    sum.num_ended += slice.counts.num_ended;
    sum.num_failed += slice.counts.num_failed;
  }
  return sum;
}

}  // namespace tandem
