#pragma once
// Operands, references and op cases of routing, permuting and combining in mixtures of experts.

#include <vector>

#include "kernels/moe.h"
#include "tests/support/ops/op_case.h"

namespace tandem {

struct RouteShape {
  int64_t tokens;
  int64_t num_experts;
  int64_t top_k;
  MoeScore score = MoeScore::kSoftmax;
  bool renormalise = true;
};

struct CombineShape {
  int64_t tokens;
  int64_t top_k;
  int64_t width;
  bool shared = false;
};

class MoeCombineOp : public OpRun {
 public:
  MoeCombineOp(Context& context, const CombineShape& shape);
  void Run(Context& context) override;
  std::vector<std::vector<double>> Reference() const override;

  CombineShape shape;
  ConstTensorView y_rows;   // [tokens * top_k, width], f32
  ConstTensorView row_of;   // [tokens, top_k], i32
  ConstTensorView weights;  // [tokens, top_k], f32
  ConstTensorView shared;   // [tokens, width], f32, or empty
  TensorView y;             // [tokens, width], f32
};

}  // namespace tandem
