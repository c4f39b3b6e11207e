#pragma once
// The vendor's product, what ours is compared with: cuBLASLt, opened when it is first asked for.
// Builds without CUDA have without_cublas.cc in its place. One thread.

#include <memory>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

// What cuBLASLt has for one shape.
class CublasMatmul {
 public:
  virtual ~CublasMatmul() = default;
  virtual int num_algorithms() const = 0;  // its own proposals, best guess first; at least one
  virtual void Run(Context& context, int algorithm) = 0;
};

// y = x w^T. Operands are the device's and outlive the result.
struct CublasOperands {
  ConstTensorView x;  // [m, k], bf16
  ConstTensorView w;  // [n, k], bf16
  TensorView y;       // [m, n], f32 or bf16
};

// DeviceError where cuBLASLt is not there, or has nothing for the shape.
std::unique_ptr<CublasMatmul> MakeCublasMatmul(Context& context, const CublasOperands& operands);

}  // namespace tandem
