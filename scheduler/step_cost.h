#pragma once
// What a step costs, learned from the steps there were: seconds = base + per_token * tokens, fitted
// to the last hundred or so by least squares. It decides only how work is cut into steps, never
// what comes out of it. Owned by the Scheduler; engine thread only.

#include <cstdint>

namespace tandem {

class StepCost {
 public:
  void Observe(int64_t num_tokens, double seconds);

  // False until a few steps of different sizes were seen: nothing below means anything before.
  bool known() const;
  double Seconds(int64_t num_tokens) const;
  int64_t TokensWithin(double seconds) const;  // 0 when not even the base fits

 private:
  void Fit();

  int64_t num_observed_ = 0;
  // Sums over the steps, older ones with less weight: of tokens x, seconds y.
  double weight_ = 0.0;
  double x_ = 0.0, y_ = 0.0, xx_ = 0.0, xy_ = 0.0;
  double base_ = 0.0;
  double per_token_ = 0.0;
};

}  // namespace tandem
