#include "scheduler/step_cost.h"

#include <algorithm>
#include <cmath>

namespace tandem {
namespace {

constexpr double kKept = 0.99;        // of an observation's weight, with each newer one
constexpr int64_t kFewest = 8;        // observations to say anything
constexpr double kOutlier = 4.0;      // a step that took so much longer than expected was held up
constexpr double kLeastSpread = 1.0;  // variance of sizes, in tokens squared, that shows a slope
constexpr double kMaxTokens = 1 << 30;

}  // namespace

void StepCost::Observe(int64_t num_tokens, double seconds) {
  if (known()) seconds = std::min(seconds, kOutlier * Seconds(num_tokens));
  const auto x = static_cast<double>(num_tokens);
  weight_ = kKept * weight_ + 1.0;
  x_ = kKept * x_ + x;
  y_ = kKept * y_ + seconds;
  xx_ = kKept * xx_ + x * x;
  xy_ = kKept * xy_ + x * seconds;
  ++num_observed_;
  Fit();
}

// Where all steps have one size, the slope that was known stays. Neither part is below zero.
void StepCost::Fit() {
  const double mean_x = x_ / weight_;
  const double mean_y = y_ / weight_;
  const double variance = xx_ / weight_ - mean_x * mean_x;
  if (variance > kLeastSpread) {
    per_token_ = std::max(0.0, (xy_ / weight_ - mean_x * mean_y) / variance);
  }
  per_token_ = std::min(per_token_, mean_x > 0.0 ? mean_y / mean_x : 0.0);
  base_ = mean_y - per_token_ * mean_x;
}

bool StepCost::known() const { return num_observed_ >= kFewest && per_token_ > 0.0; }

double StepCost::Seconds(int64_t num_tokens) const {
  return base_ + per_token_ * static_cast<double>(num_tokens);
}

int64_t StepCost::TokensWithin(double seconds) const {
  return static_cast<int64_t>(std::clamp((seconds - base_) / per_token_, 0.0, kMaxTokens));
}

}  // namespace tandem
