#pragma once
// From a row of logits to a token and its log-probability, one row at a time, in one fixed order.
//
// The recorded log-probability is log_softmax(logits) over the whole vocabulary in fp32, before
// penalties, bias, temperature and truncation. Order of the sampler: penalties, bias, temperature,
// top-k, top-p, min-p. Ties go to the lower id. The draw is the inverse of the cumulative
// distribution in ascending id order at RandomUniform(key).
//
// The sampler's probabilities are integers, round(2^30 e^((logit - max) / temperature)): their sums
// are exact, so that neither the order of summation nor the way a cut is searched for can change a
// token. A probability below 2^-31 of the largest is zero. top-p's mass is of what top-k left.

#include <cmath>
#include <cstdint>
#include <span>

#include "kernels/core/context.h"
#include "kernels/core/random.h"
#include "kernels/core/tensor.h"

namespace tandem {

// What LogSoftmaxStatistics leaves of a row. Both are NaN when the row holds NaN or +infinity, or
// nothing but -infinity.
struct RowStatistics {
  float max = 0.0f;
  float log_sum = 0.0f;  // log of the sum of exp(logit - max)
  bool finite() const { return !std::isnan(log_sum); }
  float LogProb(float logit) const { return (logit - max) - log_sum; }
};

// Maximum and log-sum-exp of each row: log p(i) = (logits[i] - max) - log_sum. Blocks of 1024 ids
// sum over 16 lanes ascending, the lanes of the blocks ascend, then a fixed tree.
struct LogSoftmaxStatisticsArgs {
  ConstTensorView logits;    // [rows, vocab], f32
  float temperature = 1.0f;  // divides the logits first (1: not at all)
  TensorView statistics;     // [rows, 2], f32: a RowStatistics each
};

void LogSoftmaxStatistics(Context& context, const LogSoftmaxStatisticsArgs& args);

// Of statistics in the host's memory.
inline RowStatistics StatisticsOf(ConstTensorView statistics, int64_t row) {
  const float* both = statistics.data<float>() + 2 * row;
  return {.max = both[0], .log_sum = both[1]};
}

// Log-probabilities of some ids of each row, as RowStatistics::LogProb has them; NaN of an id
// outside [0, vocab), and in a row whose statistics are NaN.
struct PickLogProbsArgs {
  ConstTensorView logits;      // [rows, vocab], f32
  ConstTensorView statistics;  // [rows, 2], f32: of logits at temperature 1
  ConstTensorView ids;         // [rows, count], i32
  TensorView log_probs;        // [rows, count], f32
};

void PickLogProbs(Context& context, const PickLogProbsArgs& args);

// The `count` best ids of each row in descending logit order, ties to the lower id; NaN counts as
// -infinity. count <= vocab.
struct TopIdsArgs {
  ConstTensorView logits;  // [rows, vocab], f32
  TensorView ids;          // [rows, count], i32
};

void TopIds(Context& context, const TopIdsArgs& args);

struct LogitBias {
  int32_t id = 0;
  float bias = 0.0f;
};

// What to do to one row of logits before drawing. Always in the host's memory, as is what the spans
// borrow, which lives through the call.
struct SampleRow {
  float temperature = 1.0f;  // 0: greedy (the highest adjusted logit, ties to the lower id)
  int32_t top_k = 0;         // 0: all
  float top_p = 1.0f;  // keep the smallest set, by descending probability, whose mass >= top_p
  float min_p = 0.0f;  // keep p >= min_p * max p
  float repetition_penalty = 1.0f;  // on ids in prompt and output: logit > 0 ? / : *
  float frequency_penalty = 0.0f;   // on output ids: logit -= penalty * count
  float presence_penalty = 0.0f;    // on output ids: logit -= penalty
  std::span<const int32_t> prompt;  // token ids before the output
  std::span<const int32_t> output;  // token ids drawn so far
  std::span<const LogitBias> bias;
  std::span<const int32_t> banned;  // ids that may not be drawn (end tokens before min_tokens)
  RandomKey key;
};

// Draws one token for each row of logits, which are left unchanged. A row whose logits are not
// finite, or whose every id is banned, gets -1.
struct SampleArgs {
  ConstTensorView logits;           // [rows, vocab], f32
  std::span<const SampleRow> rows;  // ids in them are in [0, vocab)
  TensorView ids;                   // [rows], i32
};

void Sample(Context& context, const SampleArgs& args);

}  // namespace tandem
