#pragma once
// Operands, reference and op cases of Matmul and MatmulGrouped.

#include <span>
#include <vector>

#include "kernels/matmul.h"
#include "tests/support/ops/op_case.h"

namespace tandem {

inline constexpr DType kWeightTypes[] = {DType::kF32, DType::kF16, DType::kBf16, DType::kI8};

// x in the form that weights of one dtype want.
struct MatmulOperand {
  Tensor x;       // [tokens, k]
  Tensor scales;  // [tokens], i8 only
  ConstTensorView scales_view() const {
    return x.dtype() == DType::kI8 ? ConstTensorView(scales) : ConstTensorView();
  }
};

MatmulOperand MakeMatmulOperand(Context& context, ConstTensorView x, DType weights);

// Matrices [n, k] of one dtype: on the host, and in a device's own memory and layout from when an
// op there wants them.
class OpMatrices {
 public:
  // At once on the context's device too.
  OpMatrices(Context& context, std::vector<PackedMatrix> on_host);
  // Packs them.
  OpMatrices(Context& context, std::span<const Tensor> w, DType dtype);
  OpMatrices(Context& context, ConstTensorView w, DType dtype);

  const PackedMatrix& host(size_t index = 0) const { return host_[index]; }
  std::span<const PackedMatrix> On(Context& context);

 private:
  std::vector<PackedMatrix> host_, placed_;
};

// [tokens, n] in double, from the rounded operands. x_scales: i8 only.
std::vector<double> ReferenceProduct(ConstTensorView x, ConstTensorView x_scales,
                                     const PackedMatrix& w);

struct MatmulShape {
  int64_t tokens;
  int64_t k;
  int64_t n;
  DType weights;
  bool with_bias = false;
  MatmulOutput output = MatmulOutput::kStore;
};

class MatmulOp : public OpRun {
 public:
  MatmulOp(Context& context, const MatmulShape& shape);
  void Run(Context& context) override;
  std::vector<std::vector<double>> Reference() const override;

  MatmulShape shape;
  OpMatrices w;              // one, [n, k]
  ConstTensorView x;         // [tokens, k], w.input_dtype()
  ConstTensorView x_scales;  // [tokens], f32; i8 only
  ConstTensorView bias;      // [n], f32, or empty
  TensorView y;              // [tokens, n], f32
};

}  // namespace tandem
