// Log-softmax and sampling over a vocabulary in float sums of any order.

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/core/random.h"
#include "kernels/cpu/rows_of.h"
#include "tests/bench/free_set.h"

namespace tandem {
namespace {

constexpr int64_t kGrainLogits = 4096;  // what a thread's start is worth: an exponential each

// Every thread takes a part of the row; parts are combined as they come.
void SplitLogSoftmaxRow(Context& context, const FreeRows& free, const float* row, int64_t vocab,
                        float* statistics) {
  WorkspaceScope scope(context.workspace);
  const int num_threads = context.pool.num_threads();
  auto* maxima = scope.Take<float>(num_threads);
  auto* sums = scope.Take<float>(num_threads);
  context.pool.Run([&](int thread, int count) {
    const Range part = SplitRange(vocab, thread, count, 64);
    maxima[thread] = -std::numeric_limits<float>::infinity();
    sums[thread] = 0;
    if (part.size() == 0) return;
    maxima[thread] = free.max(row + part.begin, part.size());
    sums[thread] = free.sum_exp(row + part.begin, part.size(), maxima[thread], 1.0f, nullptr);
  });
  float max = maxima[0], sum = 0;
  for (int i = 1; i < num_threads; ++i) max = std::max(max, maxima[i]);
  for (int i = 0; i < num_threads; ++i) sum += sums[i] * std::exp(maxima[i] - max);
  statistics[0] = max;
  statistics[1] = std::log(sum);
}

}  // namespace

void RunLogSoftmax(Context& context, LogSoftmaxOp& op, Products products) {
  const FreeRows& free = FreeSetOf(context.isa, products).rows;
  const int64_t vocab = op.shape.vocab;
  const float* logits = op.logits.data<float>();
  float* statistics = op.statistics.data<float>();
  const int num_threads = context.pool.num_threads();
  if (num_threads > 1 && op.shape.rows < num_threads && vocab >= num_threads * kGrainLogits) {
    for (int64_t row = 0; row < op.shape.rows; ++row) {
      SplitLogSoftmaxRow(context, free, logits + row * vocab, vocab, statistics + 2 * row);
    }
    return;
  }
  context.pool.ForRanges(op.shape.rows, cpu::GrainRows(4 * vocab), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float max = free.max(logits + row * vocab, vocab);
      statistics[2 * row] = max;
      statistics[2 * row + 1] =
          std::log(free.sum_exp(logits + row * vocab, vocab, max, 1.0f, nullptr));
    }
  });
}

void RunSample(Context& context, SampleOp& op, Products products) {
  const FreeRows& free = FreeSetOf(context.isa, products).rows;
  const int64_t vocab = op.shape.vocab, padded = (vocab + 15) / 16 * 16;
  const float* logits = op.logits.data<float>();
  int32_t* ids = op.ids.data<int32_t>();
  WorkspaceScope scope(context.workspace);
  auto* terms = scope.Take<float>(context.pool.num_threads() * padded);
  const auto sample = [&](int64_t begin, int64_t end, float* own) {
    for (int64_t row = begin; row < end; ++row) {
      const SampleRow& settings = op.rows[static_cast<size_t>(row)];
      const float* values = logits + row * vocab;
      const float sum =
          free.sum_exp(values, vocab, free.max(values, vocab), 1.0f / settings.temperature, own);
      const auto target = static_cast<float>(RandomUniform(settings.key)) * sum;
      ids[row] = static_cast<int32_t>(free.draw(own, vocab, target));
    }
  };
  if (op.shape.rows * vocab < 2 * kGrainLogits || op.shape.rows == 1) {
    sample(0, op.shape.rows, terms);
    return;
  }
  context.pool.Run([&](int thread, int num_threads) {
    const Range range = SplitRange(op.shape.rows, thread, num_threads);
    sample(range.begin, range.end, terms + thread * padded);
  });
}

}  // namespace tandem
