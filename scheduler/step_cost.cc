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
// Of the determinant of the correlations: below it tokens and pairs are not told apart.
constexpr double kLeastIndependence = 0.02;

enum Term : size_t { kOne, kTokens, kPairs, kSeconds };

}  // namespace

void StepSize::Add(int64_t first, int64_t count) {
  num_tokens += count;
  num_pairs += static_cast<double>(count) *
               (static_cast<double>(first) + 0.5 * static_cast<double>(count + 1));
}

void StepCost::Observe(const StepSize& size, double seconds) {
  if (known()) seconds = std::min(seconds, kOutlier * Seconds(size));
  const std::array<double, 4> terms = {1.0, static_cast<double>(size.num_tokens), size.num_pairs,
                                       seconds};
  for (size_t i = 0; i < terms.size(); ++i) {
    for (size_t j = 0; j < terms.size(); ++j) {
      sums_[i][j] = kKept * sums_[i][j] + terms[i] * terms[j];
    }
  }
  ++num_observed_;
  Fit();
}

// Where steps hardly differ in one of the two, what was known of it stays. No part is below zero.
void StepCost::Fit() {
  const double weight = sums_[kOne][kOne];
  const auto mean = [&](Term a) { return sums_[kOne][a] / weight; };
  const auto covariance = [&](Term a, Term b) { return sums_[a][b] / weight - mean(a) * mean(b); };
  const double tokens = covariance(kTokens, kTokens);
  const double pairs = covariance(kPairs, kPairs);
  const double both = covariance(kTokens, kPairs);
  const double determinant = tokens * pairs - both * both;
  if (tokens > kLeastSpread && determinant > kLeastIndependence * tokens * pairs) {
    const double with_tokens = covariance(kTokens, kSeconds);
    const double with_pairs = covariance(kPairs, kSeconds);
    per_pair_ = std::max(0.0, (tokens * with_pairs - both * with_tokens) / determinant);
  }
  if (tokens > kLeastSpread) {
    const double with_tokens = covariance(kTokens, kSeconds) - per_pair_ * both;
    per_token_ = std::max(0.0, with_tokens / tokens);
  }
  // At most all of it.
  const double explained = per_token_ * mean(kTokens) + per_pair_ * mean(kPairs);
  if (explained > mean(kSeconds)) {
    per_token_ *= mean(kSeconds) / explained;
    per_pair_ *= mean(kSeconds) / explained;
  }
  base_ = mean(kSeconds) - per_token_ * mean(kTokens) - per_pair_ * mean(kPairs);
}

bool StepCost::known() const { return num_observed_ >= kFewest && per_token_ > 0.0; }

double StepCost::Seconds(const StepSize& size) const {
  return base_ + per_token_ * static_cast<double>(size.num_tokens) + per_pair_ * size.num_pairs;
}

double StepCost::ChunkSeconds(int64_t first, int64_t num_tokens) const {
  StepSize chunk;
  chunk.Add(first, num_tokens);
  return Seconds(chunk) - base_;
}

// The root of per_pair / 2 n^2 + (per_token + per_pair (first + 1/2)) n = seconds, in the form that
// loses no digits where per_pair is small.
int64_t StepCost::TokensWithin(double seconds, int64_t first) const {
  if (seconds <= 0.0) return 0;
  const double linear = per_token_ + per_pair_ * (static_cast<double>(first) + 0.5);
  const double root = std::sqrt(linear * linear + 2.0 * per_pair_ * seconds);
  return static_cast<int64_t>(std::min(2.0 * seconds / (linear + root), kMaxTokens));
}

}  // namespace tandem
