#pragma once
// Operands, references and op cases of the ops that work row by row: RmsNorm, SiluMul, Add, Rope,
// QuantizeRows, Convert, SplitColumns.

#include <memory>

#include "kernels/norm.h"
#include "kernels/rope.h"
#include "tests/support/ops/op_case.h"

namespace tandem {

struct NormShape {
  int64_t rows;
  int64_t width;
  DType y = DType::kF32;
  NormCast cast = NormCast::kBeforeWeight;
  bool with_delta = false;
};

class NormOp : public OpRun {
 public:
  NormOp(Context& context, const NormShape& shape);
  void Run(Context& context) override;
  std::vector<std::vector<double>> Reference() const override;

  NormShape shape;
  TensorView x;            // [rows, width], f32
  ConstTensorView delta;   // [rows, width], f32, or empty
  ConstTensorView weight;  // [width], f32
  TensorView y;            // [rows, width]
  float eps = 1e-5f;
};

struct SiluMulShape {
  int64_t tokens;
  int64_t width;
  DType y = DType::kF32;
};

class SiluMulOp : public OpRun {
 public:
  SiluMulOp(Context& context, const SiluMulShape& shape);
  void Run(Context& context) override;
  std::vector<std::vector<double>> Reference() const override;

  SiluMulShape shape;
  ConstTensorView gate_up;  // [tokens, 2 * width], f32
  TensorView y;             // [tokens, width]
};

struct RopeShape {
  int64_t tokens;
  int64_t heads;
  int64_t head_dim;
};

class RopeOp : public OpRun {
 public:
  RopeOp(Context& context, const RopeShape& shape);
  void Run(Context& context) override;
  std::vector<std::vector<double>> Reference() const override;

  RopeShape shape;
  RopeTable table;
  ConstTensorView positions;  // [tokens], i32
  TensorView x;               // [tokens, heads, head_dim], f32
};

}  // namespace tandem
