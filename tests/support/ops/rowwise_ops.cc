#include "tests/support/ops/rowwise_ops.h"

#include <cmath>

#include "kernels/activation.h"
#include "kernels/dropout.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {

NormOp::NormOp(Context& context, const NormShape& given) : OpRun(context), shape(given) {
  x = tensors_.InOut(NormalTensor({shape.rows, shape.width}, 1, 3.0f));
  if (shape.with_delta) delta = tensors_.Input(NormalTensor({shape.rows, shape.width}, 2));
  weight = tensors_.Input(NormalTensor({shape.width}, 3));
  y = tensors_.Output(shape.y, {shape.rows, shape.width});
}

void NormOp::Run(Context& context) {
  RmsNorm(context,
          {.x = x, .delta = delta, .weight = weight, .eps = eps, .cast = shape.cast, .y = y});
}

// x after the residual sum, then y; in double, but for the roundings that the contract names.
std::vector<std::vector<double>> NormOp::Reference() const {
  std::vector<double> sums = ToDoubles(x), want(sums.size());
  for (size_t i = 0; shape.with_delta && i < sums.size(); ++i) {
    sums[i] = static_cast<double>(x.data<float>()[i] + delta.data<float>()[i]);
  }
  const auto width = static_cast<size_t>(shape.width);
  for (size_t row = 0; row < static_cast<size_t>(shape.rows); ++row) {
    const double* values = sums.data() + row * width;
    double sum = 0.0;
    for (size_t i = 0; i < width; ++i) sum += values[i] * values[i];
    const double scale =
        1.0 / std::sqrt(sum / static_cast<double>(width) + static_cast<double>(eps));
    for (size_t i = 0; i < width; ++i) {
      double n = values[i] * scale;
      if (shape.y == DType::kBf16 && shape.cast == NormCast::kBeforeWeight) {
        n = static_cast<double>(static_cast<float>(BFloat16(static_cast<float>(n))));
      }
      want[row * width + i] = static_cast<double>(weight.data<float>()[i]) * n;
    }
  }
  return {sums, want};
}

SiluMulOp::SiluMulOp(Context& context, const SiluMulShape& given) : OpRun(context), shape(given) {
  gate_up = tensors_.Input(NormalTensor({shape.tokens, 2 * shape.width}, 5, 4.0f));
  y = tensors_.Output(shape.y, {shape.tokens, shape.width});
}

void SiluMulOp::Run(Context& context) { SiluMul(context, {.gate_up = gate_up, .y = y}); }

std::vector<std::vector<double>> SiluMulOp::Reference() const {
  const std::vector<double> in = ToDoubles(gate_up);
  std::vector<double> want;
  for (int64_t token = 0; token < shape.tokens; ++token) {
    const double* gate = in.data() + token * 2 * shape.width;
    for (int64_t i = 0; i < shape.width; ++i) {
      want.push_back(gate[i] / (1.0 + std::exp(-gate[i])) * gate[shape.width + i]);
    }
  }
  return {want};
}

RopeOp::RopeOp(Context& context, const RopeShape& given)
    : OpRun(context),
      shape(given),
      table({.head_dim = shape.head_dim, .max_positions = 512}, context.device) {
  table.Reserve(context, 512);
  std::vector<int32_t> some;
  for (int64_t i = 0; i < shape.tokens; ++i) some.push_back(static_cast<int32_t>(i * 37 % 301));
  positions = tensors_.Input(Integers(some, {shape.tokens}));
  x = tensors_.InOut(NormalTensor({shape.tokens, shape.heads, shape.head_dim}, 11));
}

void RopeOp::Run(Context& context) {
  Rope(context, {.positions = positions, .table = table, .x = x});
}

std::vector<std::vector<double>> RopeOp::Reference() const {
  const std::vector<double> in = ToDoubles(x), rows = ToDoubles(table.rows());
  std::vector<double> want(in.size());
  const int64_t half = shape.head_dim / 2;
  for (int64_t t = 0; t < shape.tokens * shape.heads; ++t) {
    const double* cosines =
        rows.data() + positions.data<int32_t>()[t / shape.heads] * shape.head_dim;
    for (int64_t i = 0; i < half; ++i) {
      const double c = cosines[i], s = cosines[i + half];
      const auto a = static_cast<size_t>(t * shape.head_dim + i);
      const auto b = a + static_cast<size_t>(half);
      want[a] = in[a] * c - in[b] * s;
      want[b] = in[b] * c + in[a] * s;
    }
  }
  return {want};
}

namespace {

// y += x.
class AddOp : public OpRun {
 public:
  AddOp(Context& context, Shape shape) : OpRun(context) {
    x_ = tensors_.Input(NormalTensor(shape, 8));
    y_ = tensors_.InOut(NormalTensor(shape, 9));
  }
  void Run(Context& context) override { Add(context, {.x = x_, .y = y_}); }
  std::vector<std::vector<double>> Reference() const override {
    std::vector<double> want = ToDoubles(y_);
    for (size_t i = 0; i < want.size(); ++i) {  // one addition: float rounds as the op does
      want[i] = static_cast<double>(y_.data<float>()[i] + x_.data<float>()[i]);
    }
    return {want};
  }

 private:
  ConstTensorView x_;
  TensorView y_;
};

// Added, or in place of what was there.
class DropOutOp : public OpRun {
 public:
  DropOutOp(Context& context, Shape shape, DropoutOutput output) : OpRun(context), output_(output) {
    x_ = tensors_.Input(NormalTensor(shape, 8));
    y_ = tensors_.InOut(NormalTensor(shape, 9));
  }
  void Run(Context& context) override {
    DropOut(context, {.x = x_, .mask = mask_, .y = y_, .output = output_});
  }
  std::vector<std::vector<double>> Reference() const override {
    std::vector<double> want = ToDoubles(y_);
    std::vector<float> factors(want.size());
    mask_.Fill(0, static_cast<int64_t>(want.size()), factors.data());
    for (size_t i = 0; i < want.size(); ++i) {
      const float dropped = x_.data<float>()[i] * factors[i];
      const float old = output_ == DropoutOutput::kAdd ? y_.data<float>()[i] : 0.0f;
      want[i] = static_cast<double>(old + dropped);
    }
    return {want};
  }

 private:
  DropoutOutput output_;
  DropoutMask mask_{{.share = 0.3, .seed = 6}, DropoutPlace::kFeedForward, 1};
  ConstTensorView x_;
  TensorView y_;
};

OpCase NormCase(OpUse use, const NormShape& s) {
  const int64_t count = s.rows * s.width;
  const bool rounds = s.cast == NormCast::kBeforeWeight;
  return {.op = s.with_delta ? "rms_norm+residual" : "rms_norm",
          .shape = Times({s.rows, s.width}),
          .dtype = std::string(Name(s.y)) + (s.y == DType::kBf16 && !rounds ? " late" : ""),
          .use = use,
          .bytes = count * (4 + (s.with_delta ? 8 : 0) + SizeOf(s.y)) + 4 * s.width,
          .in_place_bytes = s.with_delta ? 4 * count : 0,
          .flops = count * (s.with_delta ? 5 : 4),
          .prepare = [s](Context& context) { return std::make_unique<NormOp>(context, s); }};
}

OpCase SiluMulCase(OpUse use, const SiluMulShape& s) {
  const int64_t count = s.tokens * s.width;
  return {.op = "silu_mul",
          .shape = Times({s.tokens, s.width}),
          .dtype = std::string(Name(s.y)),
          .use = use,
          .bytes = count * (8 + SizeOf(s.y)),
          .flops = count * (kExpFlops + 4),
          .prepare = [s](Context& context) { return std::make_unique<SiluMulOp>(context, s); }};
}

OpCase RopeCase(OpUse use, const RopeShape& s) {
  const int64_t count = s.tokens * s.heads * s.head_dim;
  return {.op = "rope",
          .shape = Times({s.tokens, s.heads, s.head_dim}),
          .dtype = "f32",
          .use = use,
          .bytes = 8 * count + s.tokens * (4 + 4 * s.head_dim),
          .in_place_bytes = 4 * count,
          .flops = 3 * count,
          .prepare = [s](Context& context) { return std::make_unique<RopeOp>(context, s); }};
}

OpCase AddCase(OpUse use, int64_t rows, int64_t width) {
  return {.op = "add",
          .shape = Times({rows, width}),
          .dtype = "f32",
          .use = use,
          .bytes = 12 * rows * width,
          .in_place_bytes = 4 * rows * width,
          .flops = rows * width,
          .tolerance = DType::kI32,
          .prepare = [=](Context& context) {
            return std::make_unique<AddOp>(context, Shape{rows, width});
          }};
}

OpCase DropOutCase(OpUse use, int64_t rows, int64_t width, DropoutOutput output) {
  const bool adds = output == DropoutOutput::kAdd;
  return {.op = adds ? "drop_out_add" : "drop_out",
          .shape = Times({rows, width}),
          .dtype = "f32",
          .use = use,
          .bytes = (adds ? 12 : 8) * rows * width,
          .in_place_bytes = 4 * rows * width,
          .flops = rows * width,
          .tolerance = DType::kI32,
          .prepare = [=](Context& context) {
            return std::make_unique<DropOutOp>(context, Shape{rows, width}, output);
          }};
}

void AddNormTestCases(std::vector<OpCase>& cases) {
  std::vector<NormShape> shapes = {{200, 512}, {301, 172}, {70, 513}};  // several threads' worth
  for (const int64_t rows : {0, 1, 3, 37}) {
    for (const int64_t width : {1, 7, 8, 16, 64, 172, 512, 513}) shapes.push_back({rows, width});
  }
  for (NormShape shape : shapes) {
    for (const bool delta : {false, true}) {
      shape.with_delta = delta;
      shape.y = DType::kF32;
      shape.cast = NormCast::kBeforeWeight;
      cases.push_back(NormCase(OpUse::kTest, shape));
      shape.y = DType::kBf16;
      cases.push_back(NormCase(OpUse::kTest, shape));
      shape.cast = NormCast::kAfterWeight;
      cases.push_back(NormCase(OpUse::kTest, shape));
    }
  }
}

void AddRowTestCases(std::vector<OpCase>& cases) {
  for (const int64_t width : {1, 8, 16, 172, 513}) {
    for (const int64_t tokens : {0, 1, 3, 13, 200}) {
      cases.push_back(SiluMulCase(OpUse::kTest, {tokens, width, DType::kF32}));
      cases.push_back(SiluMulCase(OpUse::kTest, {tokens, width, DType::kBf16}));
    }
  }
  for (const int64_t head_dim : {2, 8, 32, 64, 66, 96}) {
    for (const int64_t tokens : {0, 1, 7}) {
      cases.push_back(RopeCase(OpUse::kTest, {tokens, 3, head_dim}));
    }
  }
  cases.push_back(RopeCase(OpUse::kTest, {500, 5, 8}));
  cases.push_back(RopeCase(OpUse::kTest, {500, 5, 64}));
  cases.push_back(AddCase(OpUse::kTest, 0, 3));
  cases.push_back(AddCase(OpUse::kTest, 7, 11));
  cases.push_back(AddCase(OpUse::kTest, 100, 1000));
  for (const DropoutOutput output : {DropoutOutput::kStore, DropoutOutput::kAdd}) {
    for (const int64_t rows : {0, 1, 7, 100}) {
      cases.push_back(DropOutCase(OpUse::kTest, rows, 11 + 9 * rows, output));
    }
  }
}

void AddRowDeviceCases(OpUse use, std::vector<OpCase>& cases) {
  const int64_t rows = use == OpUse::kDeviceTiny ? 64 : 65536;
  const size_t first = cases.size();
  cases.push_back(NormCase(use, {rows, 768, DType::kBf16}));
  cases.push_back(NormCase(use, {rows, 768, DType::kBf16, NormCast::kBeforeWeight, true}));
  cases.push_back(SiluMulCase(use, {rows / 2, 1408, DType::kBf16}));
  cases.push_back(RopeCase(use, {rows, 8, 64}));
  cases.push_back(AddCase(use, rows, 768));
  for (size_t i = first; i < cases.size(); ++i) cases[i].device = {.must = 0.85, .aim = 0.92};
}

}  // namespace

void AddRowCases(std::vector<OpCase>& cases) {
  AddRowDeviceCases(OpUse::kDeviceBench, cases);
  AddRowDeviceCases(OpUse::kDeviceTiny, cases);
  AddNormTestCases(cases);
  AddRowTestCases(cases);
  for (const int64_t tokens : {1, 16, 512}) {
    for (const int64_t hidden : {512, 768}) {
      cases.push_back(NormCase(OpUse::kBench, {tokens, hidden, DType::kBf16}));
      cases.push_back(
          NormCase(OpUse::kBench, {tokens, hidden, DType::kBf16, NormCast::kBeforeWeight, true}));
    }
    cases.push_back(NormCase(OpUse::kBench, {tokens * 8, 64}));  // per head: q
    cases.push_back(SiluMulCase(OpUse::kBench, {tokens, 1408, DType::kBf16}));
    cases.push_back(SiluMulCase(OpUse::kBench, {tokens, 2048, DType::kBf16}));
    cases.push_back(RopeCase(OpUse::kBench, {tokens, 8, 64}));
    cases.push_back(AddCase(OpUse::kBench, tokens, 512));
    cases.push_back(DropOutCase(OpUse::kBench, tokens, 512, DropoutOutput::kAdd));
    cases.push_back(DropOutCase(OpUse::kBench, tokens, 512, DropoutOutput::kStore));
  }
}

}  // namespace tandem
