#pragma once
// The operands of one op case, each between two sentinels, so that a write beside a tensor or into
// an input is seen. Owned by the case's OpRun; one thread.

#include <cstddef>
#include <vector>

#include "kernels/core/tensor.h"

namespace tandem {

class GuardedTensors {
 public:
  // A copy of `contents` that nobody may change.
  ConstTensorView Input(ConstTensorView contents);
  // Holds bytes of all ones (a NaN in every float type) until the op writes it.
  TensorView Output(DType dtype, Shape shape);
  // Holds `contents` until the op changes it; also an output.
  TensorView InOut(ConstTensorView contents);

  // Outputs become as they were when they were made.
  void Reset();
  // No sentinel and no input has changed.
  bool Intact() const;
  const std::vector<ConstTensorView>& outputs() const { return outputs_; }

 private:
  enum class Role { kInput, kOutput, kInOut };
  struct Guarded {
    Tensor memory;                    // sentinel, elements, sentinel
    std::vector<std::byte> contents;  // what Reset restores; empty: all ones
    int64_t size_bytes;
    Role role;
  };
  TensorView Take(DType dtype, Shape shape, Role role, const std::byte* contents);

  std::vector<Guarded> tensors_;
  std::vector<ConstTensorView> outputs_;
};

}  // namespace tandem
