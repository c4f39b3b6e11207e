#pragma once
// What a step costs, learned from the steps there were: so much for any step, for each token, and
// for each key that a token attends to; fitted to the last hundred or so by least squares. It
// decides only how work is cut into steps, never what comes out of it. Owned by the Scheduler;
// engine thread only.

#include <array>
#include <cstdint>

namespace tandem {

struct StepSize {
  int64_t num_tokens = 0;
  double num_pairs = 0.0;  // of a token and a key before it

  // Tokens [first, first + num_tokens) of a sequence.
  void Add(int64_t first, int64_t num_tokens);
};

class StepCost {
 public:
  void Observe(const StepSize& size, double seconds);

  // False until a few steps of different sizes were seen: nothing below means anything before.
  bool known() const;
  double Seconds(const StepSize& size) const;
  // What tokens [first, first + num_tokens) of a sequence add to a step.
  double ChunkSeconds(int64_t first, int64_t num_tokens) const;
  // The most tokens from `first` on that add no more than that.
  int64_t TokensWithin(double seconds, int64_t first) const;

 private:
  void Fit();

  int64_t num_observed_ = 0;
  // Sums over the steps, older ones with less weight, of products of 1, tokens, pairs and seconds.
  std::array<std::array<double, 4>, 4> sums_{};
  double base_ = 0.0;
  double per_token_ = 0.0;
  double per_pair_ = 0.0;
};

}  // namespace tandem
