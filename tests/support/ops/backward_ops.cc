// Op cases of the backward halves of ops that work row by row, and of sums over rows. What is
// differentiated is written here once more in double precision; its derivatives are numeric.

#include <cmath>
#include <numeric>

#include "kernels/activation.h"
#include "kernels/embedding.h"
#include "kernels/gradient.h"
#include "kernels/matmul.h"
#include "kernels/moe.h"
#include "kernels/norm.h"
#include "kernels/rope.h"
#include "kernels/split_columns.h"
#include "tests/support/ops/numeric_gradient.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

using Doubles = std::vector<double>;

Doubles RowOf(ConstTensorView matrix, int64_t row) { return ToDoubles(matrix.Rows(row, 1)); }

double Dot(const Doubles& a, const Doubles& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

class RmsNormBackwardOp : public OpRun {
 public:
  RmsNormBackwardOp(Context& context, int64_t rows, int64_t width, GradientOutput output)
      : OpRun(context), output_(output) {
    x_ = tensors_.Input(NormalTensor({rows, width}, 21, 2.0f));
    weight_ = tensors_.Input(NormalTensor({width}, 22));
    dy_ = tensors_.Input(NormalTensor({rows, width}, 23));
    dx_ = output == GradientOutput::kAdd ? tensors_.InOut(NormalTensor({rows, width}, 24))
                                         : tensors_.Output(DType::kF32, {rows, width});
    dweight_ = tensors_.Output(DType::kF32, {width});
  }
  void Run(Context& context) override {
    RmsNormBackward(context, {.x = x_,
                              .weight = weight_,
                              .eps = 1e-5f,
                              .dy = dy_,
                              .dx = dx_,
                              .output = output_,
                              .dweight = dweight_});
  }
  std::vector<Doubles> Reference() const override {
    Doubles dx = ToDoubles(dx_), dweight(static_cast<size_t>(x_.dim(1)));
    const Doubles weight = ToDoubles(weight_);
    for (int64_t row = 0; row < x_.dim(0); ++row) {
      const Doubles x = RowOf(x_, row), dy = RowOf(dy_, row);
      const auto loss = [&](const Doubles& in, const Doubles& w) {
        const double scale =
            1.0 / std::sqrt(Dot(in, in) / static_cast<double>(in.size()) + double{1e-5f});
        double sum = 0;
        for (size_t i = 0; i < in.size(); ++i) sum += dy[i] * w[i] * in[i] * scale;
        return sum;
      };
      const Doubles by_x = NumericGradient(x, [&](const Doubles& in) { return loss(in, weight); });
      const Doubles by_weight =
          NumericGradient(weight, [&](const Doubles& w) { return loss(x, w); });
      for (size_t i = 0; i < x.size(); ++i) {
        double& to = dx[static_cast<size_t>(row) * x.size() + i];
        to = by_x[i] + (output_ == GradientOutput::kAdd ? to : 0.0);
        dweight[i] += by_weight[i];
      }
    }
    return {dx, dweight};
  }

 private:
  GradientOutput output_;
  ConstTensorView x_, weight_, dy_;
  TensorView dx_, dweight_;
};

class SumRowsOp : public OpRun {
 public:
  SumRowsOp(Context& context, int64_t rows, int64_t width) : OpRun(context) {
    x_ = tensors_.Input(RandomTensor({rows, width}, 25));
    y_ = tensors_.Output(DType::kF32, {width});
  }
  void Run(Context& context) override { SumRows(context, {.x = x_, .y = y_}); }
  std::vector<Doubles> Reference() const override {
    Doubles sum(static_cast<size_t>(x_.dim(1)));
    for (int64_t row = 0; row < x_.dim(0); ++row) {
      const Doubles values = RowOf(x_, row);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
    }
    return {sum};
  }

 private:
  ConstTensorView x_;
  TensorView y_;
};

class SiluMulBackwardOp : public OpRun {
 public:
  SiluMulBackwardOp(Context& context, int64_t tokens, int64_t width, DType to) : OpRun(context) {
    gate_up_ = tensors_.Input(NormalTensor({tokens, 2 * width}, 26, 3.0f));
    dy_ = tensors_.Input(NormalTensor({tokens, width}, 27));
    dgate_up_ = tensors_.Output(to, {tokens, 2 * width});
  }
  void Run(Context& context) override {
    SiluMulBackward(context, {.gate_up = gate_up_, .dy = dy_, .dgate_up = dgate_up_});
  }
  std::vector<Doubles> Reference() const override {
    Doubles want;
    const Doubles in = ToDoubles(gate_up_), dy = ToDoubles(dy_);
    const int64_t width = dy_.dim(1);
    for (int64_t token = 0; token < dy_.dim(0); ++token) {
      for (const bool is_up : {false, true}) {
        for (int64_t i = 0; i < width; ++i) {
          const double* gate = in.data() + token * 2 * width + i;
          const Doubles derivative = NumericGradient({gate[0], gate[width]}, [](const Doubles& v) {
            return v[0] / (1.0 + std::exp(-v[0])) * v[1];
          });
          want.push_back(dy[static_cast<size_t>(token * width + i)] * derivative[is_up ? 1 : 0]);
        }
      }
    }
    return {want};
  }

 private:
  ConstTensorView gate_up_, dy_;
  TensorView dgate_up_;
};

// dx . x = dy . y(x) for every x, since the rotation is linear: the numeric derivative of dy . y.
class RopeBackwardOp : public OpRun {
 public:
  RopeBackwardOp(Context& context, int64_t tokens, int64_t heads, int64_t head_dim)
      : OpRun(context), table_({.head_dim = head_dim, .max_positions = 512}, context.device) {
    table_.Reserve(context, 512);
    std::vector<int32_t> some;
    for (int64_t i = 0; i < tokens; ++i) some.push_back(static_cast<int32_t>(i * 37 % 301));
    positions_ = tensors_.Input(Integers(some, {tokens}));
    x_ = tensors_.InOut(NormalTensor({tokens, heads, head_dim}, 28));
  }
  void Run(Context& context) override {
    Rope(
        context,
        {.positions = positions_, .table = table_, .x = x_, .direction = RopeDirection::kBackward});
  }
  std::vector<Doubles> Reference() const override {
    const Doubles dy = ToDoubles(x_), rows = ToDoubles(table_.rows());
    const int64_t heads = x_.dim(1), dim = x_.dim(2), half = dim / 2;
    Doubles want(dy.size());
    for (int64_t head = 0; head < x_.dim(0) * heads; ++head) {
      const double* angles = rows.data() + positions_.data<int32_t>()[head / heads] * dim;
      for (int64_t i = 0; i < half; ++i) {
        const double c = angles[i], s = angles[i + half];
        const auto a = static_cast<size_t>(head * dim + i), b = a + static_cast<size_t>(half);
        const Doubles d = NumericGradient({0.0, 0.0}, [&](const Doubles& x) {
          return dy[a] * (x[0] * c - x[1] * s) + dy[b] * (x[1] * c + x[0] * s);
        });
        want[a] = d[0];
        want[b] = d[1];
      }
    }
    return {want};
  }

 private:
  RopeTable table_;
  ConstTensorView positions_;
  TensorView x_;
};

class EmbeddingBackwardOp : public OpRun {
 public:
  EmbeddingBackwardOp(Context& context, int64_t tokens, int64_t vocab, int64_t hidden)
      : OpRun(context) {
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < tokens; ++i) ids.push_back(static_cast<int32_t>(i * i % vocab));
    ids_ = tensors_.Input(Integers(ids, {tokens}));
    dy_ = tensors_.Input(RandomTensor({tokens, hidden}, 29));
    dtable_ = tensors_.InOut(RandomTensor({vocab, hidden}, 30));
  }
  void Run(Context& context) override {
    EmbeddingBackward(context, {.ids = ids_, .dy = dy_, .dtable = dtable_});
  }
  std::vector<Doubles> Reference() const override {
    Doubles want = ToDoubles(dtable_);
    const auto hidden = static_cast<size_t>(dy_.dim(1));
    for (int64_t t = 0; t < dy_.dim(0); ++t) {
      const Doubles dy = RowOf(dy_, t);
      double* row = want.data() + static_cast<size_t>(ids_.data<int32_t>()[t]) * hidden;
      for (size_t i = 0; i < hidden; ++i) row[i] += dy[i];
    }
    return {want};
  }

 private:
  ConstTensorView ids_, dy_;
  TensorView dtable_;
};

class MergeColumnsOp : public OpRun {
 public:
  MergeColumnsOp(Context& context, int64_t rows, const std::vector<int64_t>& widths)
      : OpRun(context) {
    for (const int64_t width : widths) {
      parts_.push_back(tensors_.Input(RandomTensor({rows, width}, 31 + parts_.size())));
    }
    x_ = tensors_.Output(DType::kF32,
                         {rows, std::accumulate(widths.begin(), widths.end(), int64_t{0})});
  }
  void Run(Context& context) override { MergeColumns(context, {.parts = parts_, .x = x_}); }
  std::vector<Doubles> Reference() const override {
    Doubles want;
    for (int64_t row = 0; row < x_.dim(0); ++row) {
      for (const ConstTensorView& part : parts_) {
        const Doubles values = RowOf(part, row);
        want.insert(want.end(), values.begin(), values.end());
      }
    }
    return {want};
  }

 private:
  std::vector<ConstTensorView> parts_;
  TensorView x_;
};

struct WeightGradientShape {
  int64_t tokens, n, k;
  DType x = DType::kF32;
  DType dy = DType::kF32;
  MatmulOutput output = MatmulOutput::kStore;
};

// Elements rounded to `dtype`, in a tensor of it.
Tensor Rounded(const Tensor& values, DType dtype) {
  Tensor rounded(dtype, values.shape());
  for (int64_t i = 0; i < values.shape().num_elements(); ++i) {
    const float value = values.data<float>()[i];
    if (dtype == DType::kBf16) {
      rounded.data<BFloat16>()[i] = BFloat16(value);
    } else {
      rounded.data<float>()[i] = value;
    }
  }
  return rounded;
}

class WeightGradientOp : public OpRun {
 public:
  WeightGradientOp(Context& context, const WeightGradientShape& s) : OpRun(context), shape_(s) {
    dy_ = tensors_.Input(Rounded(RandomTensor({s.tokens, s.n}, 41), s.dy));
    x_ = tensors_.Input(Rounded(RandomTensor({s.tokens, s.k}, 42), s.x));
    dw_ = s.output == MatmulOutput::kAdd ? tensors_.InOut(RandomTensor({s.n, s.k}, 43))
                                         : tensors_.Output(DType::kF32, {s.n, s.k});
  }
  void Run(Context& context) override {
    MatmulWeightGradient(context, {.dy = dy_, .x = x_, .dw = dw_, .output = shape_.output});
  }
  std::vector<Doubles> Reference() const override {
    Doubles want(static_cast<size_t>(shape_.n * shape_.k));
    if (shape_.output == MatmulOutput::kAdd) want = ToDoubles(dw_);
    for (int64_t t = 0; t < shape_.tokens; ++t) {
      const Doubles x = RowOf(x_, t), dy = RowOf(dy_, t);
      for (size_t n = 0; n < dy.size(); ++n) {
        double d = dy[n];
        if (shape_.x == DType::kBf16) {
          d = static_cast<double>(static_cast<float>(BFloat16(static_cast<float>(d))));
        }
        for (size_t k = 0; k < x.size(); ++k) want[n * x.size() + k] += d * x[k];
      }
    }
    return {want};
  }

 private:
  WeightGradientShape shape_;
  ConstTensorView dy_, x_;
  TensorView dw_;
};

// Groups of rows, each with a gradient of its own.
class WeightGradientGroupedOp : public OpRun {
 public:
  WeightGradientGroupedOp(Context& context, std::vector<int32_t> counts, int64_t n, int64_t k,
                          DType dtype)
      : OpRun(context) {
    std::vector<int32_t> offsets = {0};
    for (const int32_t count : counts) offsets.push_back(offsets.back() + count);
    dy_ = tensors_.Input(Rounded(RandomTensor({offsets.back(), n}, 41), dtype));
    x_ = tensors_.Input(Rounded(RandomTensor({offsets.back(), k}, 42), dtype));
    offsets_ = tensors_.Input(Integers(offsets, {static_cast<int64_t>(offsets.size())}));
    for (size_t i = 0; i < counts.size(); ++i) {
      dw_.emplace_back(DType::kF32, Shape{n, k}, context.device);
    }
  }
  void Run(Context& context) override {
    MatmulWeightGradientGrouped(context, {.dy = dy_, .x = x_, .offsets = offsets_, .dw = dw_});
  }
  std::vector<ConstTensorView> Outputs() const override { return {dw_.begin(), dw_.end()}; }
  std::vector<Doubles> Reference() const override {
    std::vector<Doubles> want;
    for (size_t group = 0; group < dw_.size(); ++group) {
      Doubles& dw = want.emplace_back(static_cast<size_t>(dw_[group].shape().num_elements()));
      const int32_t* bounds = offsets_.data<int32_t>() + group;
      for (int64_t row = bounds[0]; row < bounds[1]; ++row) {
        const Doubles x = RowOf(x_, row), dy = RowOf(dy_, row);
        for (size_t i = 0; i < dw.size(); ++i) dw[i] += dy[i / x.size()] * x[i % x.size()];
      }
    }
    return want;
  }

 private:
  ConstTensorView dy_, x_, offsets_;
  std::vector<Tensor> dw_;
};

OpCase NormCase(OpUse use, int64_t rows, int64_t width, GradientOutput output) {
  const bool adds = output == GradientOutput::kAdd;
  return {.op = "rms_norm_backward",
          .shape = Times({rows, width}),
          .dtype = adds ? "f32 adds" : "f32",
          .use = use,
          .bytes = rows * width * (adds ? 16 : 12) + 8 * width,
          .in_place_bytes = adds ? 4 * rows * width : 0,
          .flops = 10 * rows * width,
          .prepare = [=](Context& context) {
            return std::make_unique<RmsNormBackwardOp>(context, rows, width, output);
          }};
}

OpCase SumRowsCase(OpUse use, int64_t rows, int64_t width) {
  return {.op = "sum_rows",
          .shape = Times({rows, width}),
          .dtype = "f32",
          .use = use,
          .bytes = 4 * (rows + 1) * width,
          .flops = rows * width,
          .prepare = [=](Context& context) {
            return std::make_unique<SumRowsOp>(context, rows, width);
          }};
}

OpCase SiluCase(OpUse use, int64_t tokens, int64_t width, DType to) {
  return {.op = "silu_mul_backward",
          .shape = Times({tokens, width}),
          .dtype = std::string(Name(to)),
          .use = use,
          .bytes = tokens * width * (12 + 2 * SizeOf(to)),
          .flops = tokens * width * (kExpFlops + 11),
          .prepare = [=](Context& context) {
            return std::make_unique<SiluMulBackwardOp>(context, tokens, width, to);
          }};
}

OpCase RopeCase(OpUse use, int64_t tokens, int64_t heads, int64_t head_dim) {
  const int64_t count = tokens * heads * head_dim;
  return {.op = "rope_backward",
          .shape = Times({tokens, heads, head_dim}),
          .dtype = "f32",
          .use = use,
          .bytes = 8 * count + tokens * (4 + 4 * head_dim),
          .in_place_bytes = 4 * count,
          .flops = 3 * count,
          .prepare = [=](Context& context) {
            return std::make_unique<RopeBackwardOp>(context, tokens, heads, head_dim);
          }};
}

OpCase EmbeddingCase(OpUse use, int64_t tokens, int64_t vocab, int64_t hidden) {
  return {.op = "embedding_backward",
          .shape = Times({tokens, hidden}) + " of " + std::to_string(vocab),
          .dtype = "f32",
          .use = use,
          .bytes = 12 * tokens * hidden,
          .in_place_bytes = 4 * tokens * hidden,
          .flops = tokens * hidden,
          .prepare = [=](Context& context) {
            return std::make_unique<EmbeddingBackwardOp>(context, tokens, vocab, hidden);
          }};
}

OpCase MergeCase(OpUse use, int64_t rows, const std::vector<int64_t>& widths) {
  const int64_t width = std::accumulate(widths.begin(), widths.end(), int64_t{0});
  return {.op = "merge_columns",
          .shape = Times({rows, width}) + " of " + std::to_string(widths.size()),
          .dtype = "f32",
          .use = use,
          .bytes = 8 * rows * width,
          .tolerance = DType::kI32,
          .prepare = [=](Context& context) {
            return std::make_unique<MergeColumnsOp>(context, rows, widths);
          }};
}

OpCase WeightCase(OpUse use, const WeightGradientShape& s) {
  const bool adds = s.output == MatmulOutput::kAdd;
  return {
      .op = "matmul_weight_gradient",
      .shape =
          std::to_string(s.n) + " x " + std::to_string(s.k) + " over " + std::to_string(s.tokens),
      .dtype = std::string(Name(s.x)) + (s.dy == DType::kBf16 ? " from bf16" : "") +
               (adds ? " adds" : ""),
      .use = use,
      .bytes = s.tokens * (s.n * SizeOf(s.dy) + s.k * SizeOf(s.x)) + s.n * s.k * (adds ? 8 : 4),
      .in_place_bytes = adds ? 4 * s.n * s.k : 0,
      .flops = 2 * s.tokens * s.n * s.k,
      .unit = s.x == DType::kBf16 ? OpUnit::kBf16 : OpUnit::kF32,
      .bits = OpBits::kOfInstructionSet,
      .prepare = [s](Context& context) { return std::make_unique<WeightGradientOp>(context, s); }};
}

OpCase GroupedWeightCase(OpUse use, const std::vector<int32_t>& counts, int64_t n, int64_t k,
                         DType dtype) {
  const int64_t rows = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  const auto num_groups = static_cast<int64_t>(counts.size());
  return {.op = "matmul_weight_gradient_grouped",
          .shape = std::to_string(num_groups) + " of " + std::to_string(n) + " x " +
                   std::to_string(k) + " over " + std::to_string(rows),
          .dtype = std::string(Name(dtype)),
          .use = use,
          .bytes = rows * (n + k) * SizeOf(dtype) + 4 * num_groups * n * k,
          .flops = 2 * rows * n * k,
          .unit = dtype == DType::kBf16 ? OpUnit::kBf16 : OpUnit::kF32,
          .bits = OpBits::kOfInstructionSet,
          .prepare = [=](Context& context) {
            return std::make_unique<WeightGradientGroupedOp>(context, counts, n, k, dtype);
          }};
}

void AddBackwardDeviceCases(OpUse use, std::vector<OpCase>& cases) {
  const bool tiny = use == OpUse::kDeviceTiny;
  const int64_t rows = tiny ? 64 : 32768;
  const size_t first = cases.size();
  cases.push_back(NormCase(use, rows, 768, GradientOutput::kAdd));
  cases.push_back(SiluCase(use, rows, tiny ? 40 : 1408, DType::kBf16));
  for (size_t i = first; i < cases.size(); ++i) cases[i].device = {.must = 0.85, .aim = 0.92};
  // Of a quarter of a step of 64 thousand tokens: 26M gate and up, 104M gate and up.
  for (WeightGradientShape s :
       {WeightGradientShape{16384, 2816, 512, DType::kBf16, DType::kBf16},
        WeightGradientShape{16384, 4096, 768, DType::kBf16, DType::kBf16}}) {
    if (tiny) s = {70, s.n / 64, s.k / 16, s.x, s.dy};
    cases.push_back(WeightCase(use, s));
    cases.back().device = {.rate = DeviceRate::kProducts, .product_flops = cases.back().flops};
  }
}

}  // namespace

void AddBackwardCases(std::vector<OpCase>& cases) {
  AddBackwardDeviceCases(OpUse::kDeviceBench, cases);
  AddBackwardDeviceCases(OpUse::kDeviceTiny, cases);
  for (const GradientOutput output : {GradientOutput::kStore, GradientOutput::kAdd}) {
    for (const int64_t rows : {0, 1, 3, 64, 130}) {
      for (const int64_t width : {1, 8, 37, 64}) {
        // Of one element the gradient is nearly zero: nothing to be exact to.
        if (width == 1 && output == GradientOutput::kStore) continue;
        cases.push_back(NormCase(OpUse::kTest, rows, width, output));
      }
    }
    cases.push_back(NormCase(OpUse::kTest, 200, 172, output));
  }
  for (const int64_t rows : {0, 1, 63, 64, 65, 1000}) {
    for (const int64_t width : {1, 16, 37, 300}) {
      if (rows == 1000 && width == 1) continue;  // one long sum may be near zero
      cases.push_back(SumRowsCase(OpUse::kTest, rows, width));
    }
  }
  for (const DType to : {DType::kF32, DType::kBf16}) {
    for (const int64_t width : {1, 8, 16, 37, 172}) {
      for (const int64_t tokens : {0, 1, 13, 200}) {
        cases.push_back(SiluCase(OpUse::kTest, tokens, width, to));
      }
    }
  }
  for (const int64_t head_dim : {2, 8, 64, 66}) {
    for (const int64_t tokens : {0, 1, 7}) {
      cases.push_back(RopeCase(OpUse::kTest, tokens, 3, head_dim));
    }
  }
  cases.push_back(RopeCase(OpUse::kTest, 500, 5, 8));
  for (const int64_t tokens : {0, 1, 5, 400}) {
    cases.push_back(EmbeddingCase(OpUse::kTest, tokens, 11, 37));
    cases.push_back(EmbeddingCase(OpUse::kTest, tokens, 30, 172));
  }
  cases.push_back(MergeCase(OpUse::kTest, 0, {4, 2}));
  cases.push_back(MergeCase(OpUse::kTest, 7, {5, 1, 3}));
  cases.push_back(MergeCase(OpUse::kTest, 300, {128, 32, 32}));

  for (const DType x : {DType::kF32, DType::kBf16}) {
    for (const DType dy : {DType::kF32, DType::kBf16}) {
      if (x == DType::kF32 && dy == DType::kBf16) continue;
      for (const int64_t tokens : {0, 1, 2, 7, 33, 130}) {
        for (const int64_t n : {1, 8, 65, 172}) {
          for (const int64_t k : {1, 16, 66, 172}) {
            if (n * k < 8 && tokens > 7) continue;
            const bool adds = (tokens + n + k) % 3 == 0;
            cases.push_back(WeightCase(
                OpUse::kTest,
                {tokens, n, k, x, dy, adds ? MatmulOutput::kAdd : MatmulOutput::kStore}));
          }
        }
      }
    }
    cases.push_back(GroupedWeightCase(OpUse::kTest, {3, 0, 33, 4, 17}, 65, 172, x));
    cases.push_back(GroupedWeightCase(OpUse::kTest, {0, 1}, 8, 7, x));
    cases.push_back(GroupedWeightCase(OpUse::kBench, {1100, 980, 1010, 1006}, 2816, 512, x));
    // More than a block of what a kernel cuts, in every direction.
    cases.push_back(WeightCase(OpUse::kTest, {1065, 301, 578, x, x}));
    cases.push_back(WeightCase(OpUse::kTest, {1065, 301, 578, x, x, MatmulOutput::kAdd}));
    // 8 x 512 tokens of the 26M and 104M shapes.
    cases.push_back(WeightCase(OpUse::kBench, {4096, 2816, 512, x, x}));
    cases.push_back(WeightCase(OpUse::kBench, {4096, 512, 1408, x, x}));
    cases.push_back(WeightCase(OpUse::kBench, {4096, 4096, 768, x, x}));
  }
  for (const int64_t hidden : {512, 768}) {
    cases.push_back(NormCase(OpUse::kBench, 4096, hidden, GradientOutput::kAdd));
    cases.push_back(SumRowsCase(OpUse::kBench, 4096, hidden));
    cases.push_back(EmbeddingCase(OpUse::kBench, 4096, 6400, hidden));
    cases.push_back(RopeCase(OpUse::kBench, 4096, hidden / 64, 64));
    cases.push_back(MergeCase(OpUse::kBench, 4096, {hidden, 128, 128}));
  }
  cases.push_back(SiluCase(OpUse::kBench, 4096, 1408, DType::kBf16));
  cases.push_back(SiluCase(OpUse::kBench, 4096, 2048, DType::kBf16));
}

}  // namespace tandem
