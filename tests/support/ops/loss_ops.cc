// Op cases of the training loss and the optimiser.

#include <algorithm>
#include <cmath>

#include "kernels/cross_entropy.h"
#include "kernels/cross_entropy_block.h"
#include "kernels/optimizer.h"
#include "kernels/sampling.h"
#include "tests/support/ops/matmul_ops.h"
#include "tests/support/ops/numeric_gradient.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

using Doubles = std::vector<double>;

struct CrossEntropyShape {
  int64_t rows, hidden, vocab;
  DType dtype = DType::kF32;
};

double LossOf(const Doubles& logits, size_t target) {
  const double best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit - best);
  return std::log(sum) - (logits[target] - best);
}

std::vector<PackedMatrix> HeadAndColumns(Context& context, const CrossEntropyShape& s) {
  HostSide host(context);
  const Tensor head = NormalTensor({s.vocab, s.hidden}, 61, 0.5f);
  std::vector<PackedMatrix> matrices;
  matrices.push_back(PackMatrix(host, head, s.dtype));
  matrices.push_back(AllocateMatrix(s.dtype, s.hidden, s.vocab));
  PackColumns(host, head, matrices.back());
  return matrices;
}

// Operands of both halves: x [rows, hidden], the head [vocab, hidden] and its transpose.
class CrossEntropyOperands : public OpRun {
 protected:
  CrossEntropyOperands(Context& context, const CrossEntropyShape& s)
      : OpRun(context), shape_(s), matrices_(context, HeadAndColumns(context, s)) {
    x_ =
        tensors_.Input(MakeMatmulOperand(context, NormalTensor({s.rows, s.hidden}, 62), s.dtype).x);
    std::vector<int32_t> targets;
    for (int64_t i = 0; i < s.rows; ++i) targets.push_back(static_cast<int32_t>(i * 7 % s.vocab));
    targets_ = tensors_.Input(Integers(targets, {s.rows}));
    losses_ = tensors_.Output(DType::kF32, {s.rows});
  }
  LinearCrossEntropyArgs ForwardOn(Context& context) {
    return {.x = x_, .head = matrices_.On(context)[0], .targets = targets_, .losses = losses_};
  }
  size_t Target(int64_t row) const { return static_cast<size_t>(targets_.data<int32_t>()[row]); }
  // [rows][vocab]
  std::vector<Doubles> Logits() const {
    const Doubles all = ReferenceProduct(x_, {}, matrices_.host());
    std::vector<Doubles> rows;
    for (int64_t row = 0; row < shape_.rows; ++row) {
      rows.emplace_back(all.begin() + row * shape_.vocab, all.begin() + (row + 1) * shape_.vocab);
    }
    return rows;
  }
  Doubles Losses() const {
    Doubles losses;
    for (const Doubles& logits : Logits()) {
      losses.push_back(LossOf(logits, Target(static_cast<int64_t>(losses.size()))));
    }
    return losses;
  }

  CrossEntropyShape shape_;
  OpMatrices matrices_;
  ConstTensorView x_, targets_;
  TensorView losses_;
};

class CrossEntropyOp : public CrossEntropyOperands {
 public:
  CrossEntropyOp(Context& context, const CrossEntropyShape& s) : CrossEntropyOperands(context, s) {}
  void Run(Context& context) override { LinearCrossEntropy(context, ForwardOn(context)); }
  std::vector<Doubles> Reference() const override { return {Losses()}; }
};

class CrossEntropyBackwardOp : public CrossEntropyOperands {
 public:
  CrossEntropyBackwardOp(Context& context, const CrossEntropyShape& s)
      : CrossEntropyOperands(context, s) {
    weights_ = tensors_.Input(RandomTensor({s.rows}, 63));
    dx_ = tensors_.Output(DType::kF32, {s.rows, s.hidden});
    dhead_ = tensors_.InOut(RandomTensor({s.vocab, s.hidden}, 64));
  }
  void Run(Context& context) override {
    LinearCrossEntropyBackward(context, {.forward = ForwardOn(context),
                                         .head_columns = matrices_.On(context)[1],
                                         .weights = weights_,
                                         .dx = dx_,
                                         .dhead = dhead_});
  }
  std::vector<Doubles> Reference() const override {
    Tensor head(DType::kF32, {shape_.vocab, shape_.hidden});
    UnpackRows(matrices_.host(), 0, head);
    const Doubles w = ToDoubles(head), x = ToDoubles(x_);
    const auto hidden = static_cast<size_t>(shape_.hidden);
    Doubles dx(x.size()), dhead = ToDoubles(dhead_);
    const std::vector<Doubles> logits = Logits();
    for (size_t row = 0; row < logits.size(); ++row) {
      const Doubles dlogits = NumericGradient(logits[row], [&](const Doubles& at) {
        return LossOf(at, Target(static_cast<int64_t>(row)));
      });
      for (size_t id = 0; id < dlogits.size(); ++id) {
        const double d =
            dlogits[id] * static_cast<double>(weights_.data<float>()[static_cast<int64_t>(row)]);
        for (size_t i = 0; i < hidden; ++i) {
          dx[row * hidden + i] += d * w[id * hidden + i];
          dhead[id * hidden + i] += d * x[row * hidden + i];
        }
      }
    }
    return {Losses(), dx, dhead};
  }

 private:
  ConstTensorView weights_;
  TensorView dx_, dhead_;
};

class AdamWOp : public OpRun {
 public:
  AdamWOp(Context& context, int64_t count) : OpRun(context) {
    weights_ = tensors_.InOut(NormalTensor({count}, 71));
    gradient_ = tensors_.Input(NormalTensor({count}, 72));
    m_ = tensors_.InOut(NormalTensor({count}, 73, 0.1f));
    v_ = tensors_.InOut(Squares(count));
  }
  void Run(Context& context) override {
    AdamW(context, {.weights = weights_,
                    .gradient = gradient_,
                    .m = m_,
                    .v = v_,
                    .scale = 0.5f,
                    .rate = 0.01,
                    .decay = 0.1,
                    .step = 3});
  }
  std::vector<Doubles> Reference() const override {
    Doubles w = ToDoubles(weights_), m = ToDoubles(m_), v = ToDoubles(v_);
    const Doubles gradient = ToDoubles(gradient_);
    for (size_t i = 0; i < w.size(); ++i) {
      const double g = 0.5 * gradient[i];
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      const double m_hat = m[i] / (1 - std::pow(0.9, 3)), v_hat = v[i] / (1 - std::pow(0.999, 3));
      w[i] -= 0.01 * 0.1 * w[i];
      w[i] -= 0.01 * m_hat / (std::sqrt(v_hat) + 1e-8);
    }
    return {w, m, v};
  }

 private:
  static Tensor Squares(int64_t count) {
    Tensor values = NormalTensor({count}, 74, 0.3f);
    float* data = values.data<float>();
    for (int64_t i = 0; i < count; ++i) data[i] = data[i] * data[i] + 1e-4f;
    return values;
  }
  TensorView weights_, m_, v_;
  ConstTensorView gradient_;
};

class SumOfSquaresOp : public OpRun {
 public:
  SumOfSquaresOp(Context& context, int64_t count) : OpRun(context) {
    x_ = tensors_.Input(NormalTensor({count}, 75));
    if (context.device == kCpuDevice) {
      sum_ = tensors_.Output(DType::kF32, {1});
    } else {
      host_sum_ = Tensor(DType::kF32, {1});
      sum_ = host_sum_;
    }
  }
  void Run(Context& context) override {
    sum_.data<float>()[0] = static_cast<float>(SumOfSquares(context, x_));
  }
  std::vector<ConstTensorView> Outputs() const override { return {sum_}; }
  std::vector<Doubles> Reference() const override {
    double sum = 0;
    for (const double value : ToDoubles(x_)) sum += value * value;
    return {{sum}};
  }

 private:
  ConstTensorView x_;
  Tensor host_sum_;  // where operands are not the host's: the result is
  TensorView sum_;
};

template <typename Op>
OpCase CrossEntropyCase(const std::string& name, OpUse use, const CrossEntropyShape& s,
                        int64_t products) {
  return {.op = name,
          .shape = Times({s.rows, s.hidden}) + " -> " + std::to_string(s.vocab),
          .dtype = std::string(Name(s.dtype)),
          .use = use,
          .bytes = (s.rows + s.vocab) * s.hidden * SizeOf(s.dtype) * products,
          .flops = 2 * s.rows * s.hidden * s.vocab * products,
          .unit = s.dtype == DType::kBf16 ? OpUnit::kBf16 : OpUnit::kF32,
          .tolerance = s.dtype,
          .bits = OpBits::kOfInstructionSet,
          .prepare = [s](Context& context) { return std::make_unique<Op>(context, s); }};
}

OpCase AdamWCase(OpUse use, int64_t count) {
  return {.op = "adamw",
          .shape = std::to_string(count),
          .dtype = "f32",
          .use = use,
          .bytes = 28 * count,
          .in_place_bytes = 12 * count,
          .flops = 16 * count,
          .prepare = [=](Context& context) { return std::make_unique<AdamWOp>(context, count); }};
}

OpCase SquaresCase(OpUse use, int64_t count) {
  return {.op = "sum_of_squares",
          .shape = std::to_string(count),
          .dtype = "f32",
          .use = use,
          .bytes = 4 * count,
          .flops = 2 * count,
          .prepare = [=](Context& context) {
            return std::make_unique<SumOfSquaresOp>(context, count);
          }};
}

class ScaleOp : public OpRun {
 public:
  ScaleOp(Context& context, int64_t count)
      : OpRun(context), x_(tensors_.InOut(NormalTensor({count}, 81))) {}
  void Run(Context& context) override { Scale(context, {.x = x_, .factor = 1.0 / 3.0}); }
  std::vector<Doubles> Reference() const override {
    Doubles x = ToDoubles(x_);
    for (double& value : x) value /= 3.0;
    return {x};
  }

 private:
  TensorView x_;
};

class CombineOp : public OpRun {
 public:
  CombineOp(Context& context, int64_t count)
      : OpRun(context),
        x_(tensors_.Input(NormalTensor({count}, 82))),
        y_(tensors_.InOut(NormalTensor({count}, 83))) {}
  void Run(Context& context) override {
    Combine(context, {.x = x_, .x_factor = 0.75f, .y = y_, .y_factor = -0.5f});
  }
  std::vector<Doubles> Reference() const override {
    const Doubles x = ToDoubles(x_);
    Doubles y = ToDoubles(y_);
    for (size_t i = 0; i < y.size(); ++i) y[i] = -0.5 * y[i] + 0.75 * x[i];
    return {y};
  }

 private:
  ConstTensorView x_;
  TensorView y_;
};

class NesterovOp : public OpRun {
 public:
  NesterovOp(Context& context, int64_t count)
      : OpRun(context),
        gradient_(tensors_.Input(NormalTensor({count}, 84))),
        m_(tensors_.InOut(NormalTensor({count}, 85))),
        update_(tensors_.Output(DType::kF32, {count})) {}
  void Run(Context& context) override {
    Nesterov(context, {.gradient = gradient_, .scale = 0.5f, .m = m_, .update = update_});
  }
  std::vector<Doubles> Reference() const override {
    const Doubles gradient = ToDoubles(gradient_);
    Doubles m = ToDoubles(m_), update(m.size());
    for (size_t i = 0; i < m.size(); ++i) {
      const double g = 0.5 * gradient[i];
      m[i] += (1.0 - 0.95) * (g - m[i]);
      update[i] = g + 0.95 * (m[i] - g);
    }
    return {m, update};
  }

 private:
  ConstTensorView gradient_;
  TensorView m_, update_;
};

// The gradient of a block of logits, whose products have cases of their own. For timing.
class CrossEntropyBlockOp : public OpRun {
 public:
  CrossEntropyBlockOp(Context& context, int64_t rows, int64_t vocab) : OpRun(context) {
    logits_ = tensors_.Input(NormalTensor({rows, vocab}, 86));
    statistics_ = tensors_.Output(DType::kF32, {rows, 2});
    std::vector<int32_t> targets;
    for (int64_t i = 0; i < rows; ++i) targets.push_back(static_cast<int32_t>(i * 7 % vocab));
    targets_ = tensors_.Input(Integers(targets, {rows}));
    weights_ = tensors_.Input(RandomTensor({rows}, 87));
    gradient_ = tensors_.Output(DType::kBf16, {rows, vocab});
    LogSoftmaxStatistics(context, {.logits = logits_, .statistics = statistics_});
  }
  void Run(Context& context) override {
    CrossEntropyGradient(context, {.logits = logits_,
                                   .statistics = statistics_,
                                   .targets = targets_,
                                   .weights = weights_,
                                   .gradient = gradient_});
  }
  std::vector<Doubles> Reference() const override { return {}; }

 private:
  ConstTensorView logits_, targets_, weights_;
  TensorView statistics_, gradient_;
};

OpCase CrossEntropyBlockCase(OpUse use, int64_t rows, int64_t vocab) {
  return {.op = "cross_entropy_gradient",
          .shape = Times({rows, vocab}),
          .dtype = "bf16",
          .use = use,
          .bytes = rows * (6 * vocab + 16),
          .flops = rows * vocab * (kExpFlops + 3),
          .prepare = [=](Context& context) {
            return std::make_unique<CrossEntropyBlockOp>(context, rows, vocab);
          }};
}

// `bytes`, `in_place` and `flops` are of one element.
template <typename Op>
OpCase ElementCase(const char* name, OpUse use, int64_t count, int64_t bytes, int64_t in_place,
                   int64_t flops) {
  return {.op = name,
          .shape = std::to_string(count),
          .dtype = "f32",
          .use = use,
          .bytes = bytes * count,
          .in_place_bytes = in_place * count,
          .flops = flops * count,
          .prepare = [=](Context& context) { return std::make_unique<Op>(context, count); }};
}

void AddLossDeviceCases(OpUse use, std::vector<OpCase>& cases) {
  const bool tiny = use == OpUse::kDeviceTiny;
  const size_t first = cases.size();
  cases.push_back(CrossEntropyBlockCase(use, tiny ? 8 : 16384, tiny ? 640 : 6400));
  cases.push_back(AdamWCase(use, tiny ? 4000 : 25829888));
  cases.push_back(SquaresCase(use, tiny ? 4000 : 4 * 25829888));
  cases.back().device.can_be_recorded = false;
  for (size_t i = first; i < cases.size(); ++i) {
    cases[i].device.must = 0.85;
    cases[i].device.aim = 0.92;
  }
}

}  // namespace

void AddLossCases(std::vector<OpCase>& cases) {
  AddLossDeviceCases(OpUse::kDeviceBench, cases);
  AddLossDeviceCases(OpUse::kDeviceTiny, cases);
  const auto both = [&](OpUse use, const CrossEntropyShape& s) {
    cases.push_back(CrossEntropyCase<CrossEntropyOp>("cross_entropy", use, s, 1));
    cases.push_back(CrossEntropyCase<CrossEntropyBackwardOp>("cross_entropy_backward", use, s, 3));
  };
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBf16}) {
    both(OpUse::kTest, {0, 16, 40, dtype});
    both(OpUse::kTest, {3, 8, 65, dtype});
    both(OpUse::kTest, {37, 24, 200, dtype});
    both(OpUse::kTest, {530, 8, 20, dtype});  // more than one block
  }
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    both(OpUse::kBench, {4096, 512, 6400, dtype});
    both(OpUse::kBench, {4096, 768, 6400, dtype});
  }
  for (const int64_t count : {0, 1, 16, 37, 40000}) {
    cases.push_back(AdamWCase(OpUse::kTest, count));
    cases.push_back(SquaresCase(OpUse::kTest, count));
    cases.push_back(ElementCase<ScaleOp>("scale", OpUse::kTest, count, 8, 4, 1));
    cases.push_back(ElementCase<CombineOp>("combine", OpUse::kTest, count, 12, 4, 3));
    cases.push_back(ElementCase<NesterovOp>("nesterov", OpUse::kTest, count, 16, 4, 6));
  }
  cases.push_back(AdamWCase(OpUse::kBench, 25829888));
  cases.push_back(SquaresCase(OpUse::kBench, 25829888));
  cases.push_back(ElementCase<ScaleOp>("scale", OpUse::kBench, 25829888, 8, 4, 1));
  cases.push_back(ElementCase<CombineOp>("combine", OpUse::kBench, 25829888, 12, 4, 3));
  cases.push_back(ElementCase<NesterovOp>("nesterov", OpUse::kBench, 25829888, 16, 4, 6));
}

}  // namespace tandem
