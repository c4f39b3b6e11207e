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

#include <cstdint>
#include <span>

#include "kernels/core/context.h"
#include "kernels/core/random.h"
#include "kernels/core/tensor.h"

namespace tandem {

// Maximum and log-sum-exp of each row: log p(i) = (logits[i] - max) - log_sum. Blocks of 1024 ids
// sum over 16 lanes ascending, the lanes of the blocks ascend, then a fixed tree.
struct RowStatistics {
  float max = 0.0f;
  float log_sum = 0.0f;  // log of the sum of exp(logit - max)
  bool finite = true;    // false when the row holds NaN or +infinity, or nothing but -infinity
  float LogProb(float logit) const { return (logit - max) - log_sum; }
};

// logits [rows, vocab], f32; out has rows entries. temperature divides the logits first (1: not at
// all).
void LogSoftmaxStatistics(Context& context, ConstTensorView logits, float temperature,
                          std::span<RowStatistics> out);

struct LogitBias {
  int32_t id = 0;
  float bias = 0.0f;
};

// What to do to one row of logits before drawing. Borrowed spans live through the call.
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

// Draws one token for each row of logits [rows, vocab], f32 (left unchanged). ids has rows entries.
// A row whose logits are not finite, or whose every id is banned, gets -1.
void Sample(Context& context, ConstTensorView logits, std::span<const SampleRow> rows,
            std::span<int32_t> ids);

// The `count` best ids of one row in descending logit order, ties to the lower id; NaN counts as
// -infinity. count <= logits.size(); ids has count entries.
void TopIds(std::span<const float> logits, int64_t count, std::span<int32_t> ids);

}  // namespace tandem
