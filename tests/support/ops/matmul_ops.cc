#include "tests/support/ops/matmul_ops.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "kernels/moe.h"
#include "kernels/quantize.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {

MatmulOperand MakeMatmulOperand(Context& context, ConstTensorView x, DType weights) {
  HostSide host(context);
  MatmulOperand operand;
  if (weights == DType::kI8) {
    operand.x = Tensor(DType::kI8, x.shape());
    operand.scales = Tensor(DType::kF32, {x.dim(0)});
    QuantizeRows(host, {.x = x, .y = operand.x, .scales = operand.scales});
    return operand;
  }
  operand.x = Tensor(weights == DType::kBf16 ? DType::kBf16 : DType::kF32, x.shape());
  Convert(host, {.x = x, .y = operand.x});
  return operand;
}

OpMatrices::OpMatrices(Context& context, std::vector<PackedMatrix> on_host)
    : host_(std::move(on_host)) {
  On(context);
}

OpMatrices::OpMatrices(Context& context, std::span<const Tensor> w, DType dtype) {
  HostSide host(context);
  for (const Tensor& matrix : w) host_.push_back(PackMatrix(host, matrix, dtype));
  On(context);
}

OpMatrices::OpMatrices(Context& context, ConstTensorView w, DType dtype) {
  HostSide host(context);
  host_.push_back(PackMatrix(host, w, dtype));
  On(context);
}

std::span<const PackedMatrix> OpMatrices::On(Context& context) {
  if (context.device == kCpuDevice) return host_;
  if (placed_.empty()) {
    for (const PackedMatrix& matrix : host_) {
      placed_.push_back(CopyMatrix(context, matrix, context.device));
      PrepareMatmul(context, placed_.back());
    }
    Synchronize(context);
  }
  return placed_;
}

std::vector<double> ReferenceProduct(ConstTensorView x, ConstTensorView x_scales,
                                     const PackedMatrix& w) {
  Tensor unpacked(DType::kF32, {w.n(), w.k()});
  UnpackRows(w, 0, unpacked);
  std::vector<double> y;
  for (int64_t t = 0; t < x.dim(0); ++t) {
    std::vector<double> row = ToDoubles(x.Rows(t, 1));
    if (x.dtype() == DType::kI8) {
      for (double& value : row) value *= static_cast<double>(x_scales.data<float>()[t]);
    }
    for (int64_t column = 0; column < w.n(); ++column) {
      const float* weights = unpacked.data<float>() + column * w.k();
      double sum = 0;
      for (size_t i = 0; i < row.size(); ++i) sum += row[i] * static_cast<double>(weights[i]);
      y.push_back(sum);
    }
  }
  return y;
}

MatmulOp::MatmulOp(Context& context, const MatmulShape& given)
    : OpRun(context),
      shape(given),
      w(context, RandomTensor({shape.n, shape.k}, 1).view(), shape.weights) {
  const MatmulOperand operand =
      MakeMatmulOperand(context, RandomTensor({shape.tokens, shape.k}, 2), shape.weights);
  x = tensors_.Input(operand.x);
  if (shape.weights == DType::kI8) x_scales = tensors_.Input(operand.scales);
  if (shape.with_bias) bias = tensors_.Input(RandomTensor({shape.n}, 3));
  y = shape.output == MatmulOutput::kAdd ? tensors_.InOut(RandomTensor({shape.tokens, shape.n}, 4))
                                         : tensors_.Output(DType::kF32, {shape.tokens, shape.n});
}

void MatmulOp::Run(Context& context) {
  Matmul(context, {.x = x,
                   .x_scales = x_scales,
                   .w = w.On(context).front(),
                   .bias = bias,
                   .y = y,
                   .output = shape.output});
}

std::vector<std::vector<double>> MatmulOp::Reference() const {
  std::vector<double> want = ReferenceProduct(x, x_scales, w.host());
  for (size_t i = 0; i < want.size(); ++i) {
    const auto column = static_cast<int64_t>(i) % shape.n;
    if (shape.with_bias) want[i] += ElementAsDouble(bias, column);
    if (shape.output == MatmulOutput::kAdd) want[i] += ElementAsDouble(y, static_cast<int64_t>(i));
  }
  return {want};
}

namespace {

struct GroupedShape {
  std::vector<int32_t> rows;  // of each group
  int64_t k;
  int64_t n;
  DType weights;
  int64_t top_k = 0;  // of rows in any order, as the choices of tokens; 0: sorted
};

class MatmulGroupedOp : public OpRun {
 public:
  MatmulGroupedOp(Context& context, const GroupedShape& shape)
      : OpRun(context), w_(context, RandomWeights(shape), shape.weights) {
    std::vector<int32_t> offsets = {0};
    for (const int32_t rows : shape.rows) offsets.push_back(offsets.back() + rows);
    const int64_t num_rows = offsets.back();
    const int64_t rows_of_x = shape.top_k == 0 ? num_rows : num_rows / shape.top_k;
    const MatmulOperand operand =
        MakeMatmulOperand(context, RandomTensor({rows_of_x, shape.k}, 2), shape.weights);
    x_ = tensors_.Input(operand.x);
    if (shape.weights == DType::kI8) x_scales_ = tensors_.Input(operand.scales);
    group_of_ = GroupOfRows(shape);
    if (shape.top_k == 0) {
      offsets_ = tensors_.Input(Integers(offsets, {static_cast<int64_t>(offsets.size())}));
    } else {
      groups_ = tensors_.Input(Integers(group_of_, {num_rows}));
    }
    y_ = tensors_.Output(DType::kF32, {num_rows, shape.n});
  }

  void Run(Context& context) override {
    MatmulGrouped(context, {.x = x_,
                            .x_scales = x_scales_,
                            .offsets = offsets_,
                            .w = w_.On(context),
                            .y = y_,
                            .groups = groups_});
  }

  std::vector<std::vector<double>> Reference() const override {
    std::vector<double> want;
    const auto num_rows = static_cast<int64_t>(group_of_.size());
    for (int64_t row = 0; row < num_rows; ++row) {
      const int64_t of_x = row / (num_rows / x_.dim(0));
      const ConstTensorView scales = x_scales_.empty() ? x_scales_ : x_scales_.Rows(of_x, 1);
      const auto group = static_cast<size_t>(group_of_[static_cast<size_t>(row)]);
      const std::vector<double> y = ReferenceProduct(x_.Rows(of_x, 1), scales, w_.host(group));
      want.insert(want.end(), y.begin(), y.end());
    }
    return {want};
  }

 private:
  static std::vector<int32_t> GroupOfRows(const GroupedShape& shape) {
    std::vector<int32_t> groups;
    for (size_t group = 0; group < shape.rows.size(); ++group) {
      groups.insert(groups.end(), static_cast<size_t>(shape.rows[group]),
                    static_cast<int32_t>(group));
    }
    if (shape.top_k > 0) std::shuffle(groups.begin(), groups.end(), std::mt19937(36));
    return groups;
  }
  static std::vector<Tensor> RandomWeights(const GroupedShape& shape) {
    std::vector<Tensor> weights;
    for (uint64_t i = 0; i < shape.rows.size(); ++i) {
      weights.push_back(RandomTensor({shape.n, shape.k}, 101 + i));
    }
    return weights;
  }

  OpMatrices w_;                   // of each group
  std::vector<int32_t> group_of_;  // each row
  ConstTensorView x_, x_scales_, offsets_, groups_;
  TensorView y_;
};

OpUnit UnitOf(DType weights) {
  if (weights == DType::kI8) return OpUnit::kI8;
  return weights == DType::kBf16 ? OpUnit::kBf16 : OpUnit::kF32;
}

int64_t InputBytes(int64_t tokens, int64_t k, DType weights) {
  if (weights == DType::kI8) return tokens * (k + 4);
  return tokens * k * (weights == DType::kBf16 ? 2 : 4);
}

int64_t WeightBytes(int64_t k, int64_t n, DType weights) {
  return k * n * SizeOf(weights) + (weights == DType::kI8 ? 8 * n : 0);
}

OpCase MatmulCase(OpUse use, const MatmulShape& s) {
  return {.op = "matmul",
          .shape = Times({s.tokens, s.k}) + " -> " + std::to_string(s.n),
          .dtype = std::string(Name(s.weights)),
          .use = use,
          .bytes = InputBytes(s.tokens, s.k, s.weights) + WeightBytes(s.k, s.n, s.weights) +
                   s.tokens * s.n * 4,
          .flops = 2 * s.tokens * s.k * s.n,
          .unit = UnitOf(s.weights),
          .bits = s.weights == DType::kI8 ? OpBits::kOfOp : OpBits::kOfInstructionSet,
          .prepare = [s](Context& context) { return std::make_unique<MatmulOp>(context, s); }};
}

OpCase GroupedCase(OpUse use, const GroupedShape& s) {
  const int64_t rows = std::accumulate(s.rows.begin(), s.rows.end(), int64_t{0});
  int64_t weight_bytes = 0;
  for (const int32_t count : s.rows) {
    weight_bytes += count > 0 ? WeightBytes(s.k, s.n, s.weights) : 0;
  }
  return {
      .op = "matmul_grouped",
      .shape = Times({rows, s.k}) + " -> " + std::to_string(s.rows.size()) + " of " +
               std::to_string(s.n) +
               (s.top_k == 0 ? "" : " unsorted, top " + std::to_string(s.top_k)),
      .dtype = std::string(Name(s.weights)),
      .use = use,
      .bytes = InputBytes(rows, s.k, s.weights) + weight_bytes + rows * s.n * 4,
      .flops = 2 * rows * s.k * s.n,
      .unit = UnitOf(s.weights),
      .bits = s.weights == DType::kI8 ? OpBits::kOfOp : OpBits::kOfInstructionSet,
      .prepare = [s](Context& context) { return std::make_unique<MatmulGroupedOp>(context, s); }};
}

// A device's row of products.
OpCase WithProducts(OpCase c, double must = 0, double aim = 0) {
  c.device = {.rate = DeviceRate::kProducts, .product_flops = c.flops, .must = must, .aim = aim};
  return c;
}

void AddMatmulDeviceCases(OpUse use, std::vector<OpCase>& cases) {
  const bool tiny = use == OpUse::kDeviceTiny;
  // Few rows: a matrix is read once. Heads and a large one.
  for (const int64_t tokens : {1, 16}) {
    for (MatmulShape s : {MatmulShape{tokens, 768, 6400, DType::kBf16},
                          MatmulShape{tokens, 4096, 4096, DType::kBf16},
                          MatmulShape{tokens, 4096, 4096, DType::kI8}}) {
      if (tiny) s = {tokens, s.k / 16, s.n / 64, s.weights};
      OpCase c = MatmulCase(use, s);
      c.device = {.must = s.weights == DType::kI8 ? 0.80 : 0.75,
                  .aim = s.weights == DType::kI8 ? 0 : 0.88,
                  .cold = true};
      cases.push_back(std::move(c));
    }
  }
  // The models' products: 26M gate and up, down; 104M gate and up, down.
  for (const int64_t tokens : {256, 1024, 16384}) {
    for (MatmulShape s : {MatmulShape{tokens, 512, 2816, DType::kBf16},
                          MatmulShape{tokens, 1408, 512, DType::kBf16},
                          MatmulShape{tokens, 768, 4096, DType::kBf16},
                          MatmulShape{tokens, 2048, 768, DType::kBf16}}) {
      if (tiny) s = {1 + tokens / 256, s.k / 16, s.n / 16, s.weights};
      cases.push_back(WithProducts(MatmulCase(use, s)));
    }
  }
  const int64_t side = tiny ? 40 : 4096;
  cases.push_back(WithProducts(MatmulCase(use, {side, side, side, DType::kBf16})));
  cases.push_back(WithProducts(MatmulCase(use, {side, side, side, DType::kI8})));
  if (tiny) {
    cases.push_back(WithProducts(GroupedCase(use, {{3, 0, 5}, 32, 48, DType::kBf16}), 200, 350));
    return;
  }
  cases.push_back(
      WithProducts(GroupedCase(use, {{512, 512, 512, 512}, 2048, 4096, DType::kBf16}), 200, 350));
  cases.push_back(
      WithProducts(GroupedCase(use, {{4096, 4000, 4100, 4188}, 640, 3456, DType::kBf16})));
}

}  // namespace

void AddMatmulCases(std::vector<OpCase>& cases) {
  AddMatmulDeviceCases(OpUse::kDeviceBench, cases);
  AddMatmulDeviceCases(OpUse::kDeviceTiny, cases);
  for (const DType weights : kWeightTypes) {
    for (const int64_t k : {0, 1, 2, 3, 7, 64, 172, 513}) {
      for (const int64_t n : {1, 8, 65, 172, 200}) {
        for (const int64_t tokens : {0, 1, 3, 7, 17, 64}) {
          if (tokens == 64 && k > 172) continue;
          // Few long sums may all be near zero, and errors are relative to the largest.
          if (tokens * n < 8 && k > 7) continue;
          const bool adds = (tokens + k + n) % 3 == 0;
          cases.push_back(
              MatmulCase(OpUse::kTest, {tokens, k, n, weights, n % 2 == 0 || k == 0,
                                        adds ? MatmulOutput::kAdd : MatmulOutput::kStore}));
        }
      }
    }
    for (const int64_t tokens : {1, 7, 33, 130}) {  // panels and rows are shared between threads
      cases.push_back(MatmulCase(OpUse::kTest, {tokens, 172, 640, weights}));
    }
    cases.push_back(GroupedCase(OpUse::kTest, {{3, 0, 33, 4, 17}, 172, 200, weights}));
    cases.push_back(GroupedCase(OpUse::kTest, {{0, 1}, 7, 65, weights}));
    cases.push_back(GroupedCase(OpUse::kTest, {{3, 0, 20, 4, 17}, 172, 200, weights, 2}));
    cases.push_back(GroupedCase(OpUse::kTest, {{0, 1, 2}, 7, 65, weights, 1}));

    const bool is_served = weights == DType::kBf16 || weights == DType::kI8;
    for (const int64_t tokens : {1, 16, 512}) {
      cases.push_back(MatmulCase(OpUse::kBench, {tokens, 512, 2816, weights}));  // gate and up
      if (!is_served) continue;
      cases.push_back(MatmulCase(OpUse::kBench, {tokens, 512, 768, weights}));   // q, k, v
      cases.push_back(MatmulCase(OpUse::kBench, {tokens, 1408, 512, weights}));  // down
      cases.push_back(MatmulCase(OpUse::kBench, {tokens, 768, 4096, weights}));  // 104M: gate, up
    }
    cases.push_back(MatmulCase(OpUse::kBench, {1, 512, 6400, weights}));  // the head
    if (!is_served) continue;
    cases.push_back(MatmulCase(OpUse::kBench, {16, 512, 6400, weights}));
    cases.push_back(GroupedCase(OpUse::kBench, {{140, 116, 121, 135}, 512, 2816, weights}));
    cases.push_back(GroupedCase(OpUse::kBench, {{1, 0, 0, 1}, 512, 2816, weights}));
  }
}

}  // namespace tandem
