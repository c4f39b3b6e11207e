#pragma once
// The sampler's stated semantics, written plainly in double precision: sort, cut, normalise, walk.
// `certain` is false where rounding alone could decide: the draw or a cut lies within 1e-5 of a
// bound.

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <vector>

#include "kernels/sampling.h"

namespace tandem {

struct ReferenceDraw {
  int32_t id = -1;
  bool certain = true;
};

// Penalties, bias and bans in float, as the contract's logits are.
inline std::vector<float> AdjustedLogits(std::span<const float> logits, const SampleRow& row) {
  std::vector<float> adjusted(logits.begin(), logits.end());
  std::map<int32_t, int> counts;
  for (const int32_t id : row.output) ++counts[id];
  std::set<int32_t> seen(row.prompt.begin(), row.prompt.end());
  seen.insert(row.output.begin(), row.output.end());
  for (const int32_t id : seen) {
    float& logit = adjusted[static_cast<size_t>(id)];
    if (row.repetition_penalty != 1.0f) {
      logit = logit > 0 ? logit / row.repetition_penalty : logit * row.repetition_penalty;
    }
    if (counts.contains(id)) {
      logit -= row.frequency_penalty * static_cast<float>(counts[id]);
      logit -= row.presence_penalty;
    }
  }
  for (const LogitBias& bias : row.bias) adjusted[static_cast<size_t>(bias.id)] += bias.bias;
  for (const int32_t id : row.banned) {
    adjusted[static_cast<size_t>(id)] = -std::numeric_limits<float>::infinity();
  }
  return adjusted;
}

class ReferenceSampler {
 public:
  ReferenceSampler(std::span<const float> logits, const SampleRow& row)
      : row_(row), logits_(AdjustedLogits(logits, row)) {
    order_.resize(logits_.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(), [&](int32_t a, int32_t b) {
      return logits_[static_cast<size_t>(a)] > logits_[static_cast<size_t>(b)];
    });
    for (const float logit : logits) finite_ = finite_ && logit < kInfinity;  // false for NaN too
  }

  ReferenceDraw Draw() {
    if (!finite_ || logits_[static_cast<size_t>(order_[0])] == -kInfinity) return {};
    if (row_.temperature == 0 || row_.top_k == 1) return {order_[0], true};
    Weigh();
    if (row_.top_k > 0 && static_cast<size_t>(row_.top_k) < kept_.size()) {
      kept_.resize(static_cast<size_t>(row_.top_k));
    }
    if (row_.top_p < 1) KeepTopP();
    if (row_.min_p > 0) KeepMinP();
    return Walk();
  }

 private:
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();
  static constexpr double kMargin = 1e-5;

  void Weigh() {
    const auto max = static_cast<double>(logits_[static_cast<size_t>(order_[0])]);
    for (const float logit : logits_) {
      p_.push_back(
          std::exp((static_cast<double>(logit) - max) / static_cast<double>(row_.temperature)));
    }
    kept_ = order_;
  }

  double Mass() const {
    double mass = 0;
    for (const int32_t id : kept_) mass += p_[static_cast<size_t>(id)];
    return mass;
  }

  void KeepTopP() {
    const double total = Mass(), need = static_cast<double>(row_.top_p);
    double mass = 0;
    size_t count = 0;
    while (count < kept_.size()) {
      mass += p_[static_cast<size_t>(kept_[count++])];
      if (std::abs(mass / total - need) < kMargin) certain_ = false;
      if (mass / total >= need) break;
    }
    kept_.resize(count);
  }

  void KeepMinP() {
    const auto bound = static_cast<double>(row_.min_p);
    std::erase_if(kept_, [&](int32_t id) {
      const double p = p_[static_cast<size_t>(id)];
      if (std::abs(p - bound) < kMargin * bound) certain_ = false;
      return p < bound;
    });
  }

  ReferenceDraw Walk() {
    std::sort(kept_.begin(), kept_.end());
    const double total = Mass(), u = RandomUniform(row_.key);
    double sum = 0;
    int32_t drawn = -1;
    for (const int32_t id : kept_) {
      sum += p_[static_cast<size_t>(id)];
      if (std::abs(sum / total - u) < kMargin) certain_ = false;
      if (drawn < 0 && sum / total > u) drawn = id;
    }
    return {drawn, certain_ && drawn >= 0};
  }

  SampleRow row_;
  std::vector<float> logits_;
  std::vector<int32_t> order_;  // ids, best first
  std::vector<int32_t> kept_;
  std::vector<double> p_;  // relative to the largest
  bool finite_ = true;
  bool certain_ = true;
};

}  // namespace tandem
