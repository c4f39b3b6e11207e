#pragma once
// Operands, reference and op cases of Matmul and MatmulGrouped.

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

// Where the context's device is.
PackedMatrix Placed(Context& context, PackedMatrix matrix);

// [n, k] packed on the CPU, then on the context's device.
PackedMatrix MakePackedMatrix(Context& context, ConstTensorView w, DType dtype);

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
  PackedMatrix w;            // [n, k]
  ConstTensorView x;         // [tokens, k], w.input_dtype()
  ConstTensorView x_scales;  // [tokens], f32; i8 only
  ConstTensorView bias;      // [n], f32, or empty
  TensorView y;              // [tokens, n], f32
};

}  // namespace tandem
