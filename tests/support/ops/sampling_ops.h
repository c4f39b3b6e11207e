#pragma once
// Operands, references and op cases of LogSoftmaxStatistics, PickLogProbs, TopIds and Sample.

#include <span>
#include <vector>

#include "kernels/sampling.h"
#include "tests/support/ops/op_case.h"

namespace tandem {

// log of the sum of exp(logit / temperature), in double.
double LogSumExp(std::span<const float> logits, double temperature);

struct LogitsShape {
  int64_t rows;
  int64_t vocab;
};

class LogSoftmaxOp : public OpRun {
 public:
  LogSoftmaxOp(Context& context, const LogitsShape& shape, float temperature);
  void Run(Context& context) override;
  std::vector<std::vector<double>> Reference() const override;

  LogitsShape shape;
  float temperature;
  ConstTensorView logits;  // [rows, vocab], f32
  TensorView statistics;   // [rows, 2], f32: maximum and log_sum
};

class SampleOp : public OpRun {
 public:
  // Every row is drawn as `settings` say, at a position of its own.
  SampleOp(Context& context, const LogitsShape& shape, const SampleRow& settings);
  void Run(Context& context) override;
  std::vector<std::vector<double>> Reference() const override;

  LogitsShape shape;
  std::vector<SampleRow> rows;
  ConstTensorView logits;  // [rows, vocab], f32
  TensorView ids;          // [rows], i32
};

}  // namespace tandem
