#pragma once
// The operands of one op case, each between two sentinels, so that a write beside a tensor or into
// an input is seen. Owned by the case's OpRun; one thread. On another device than the CPU they are
// plain memory of that device: for timing.

#include <cstddef>
#include <vector>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

class GuardedTensors {
 public:
  GuardedTensors() = default;
  // On the device of `context`, which is used while operands are made.
  explicit GuardedTensors(Context& context) : context_(&context) {}

  // A copy of `contents` that nobody may change.
  ConstTensorView Input(ConstTensorView contents);
  // Holds bytes of all ones (a NaN in every float type) until the op writes it.
  TensorView Output(DType dtype, Shape shape);
  // Holds `contents` until the op changes it; also an output.
  TensorView InOut(ConstTensorView contents);

  // Outputs become as they were when they were made. On the CPU.
  void Reset();
  // No sentinel and no input has changed. On the CPU.
  bool Intact() const;
  const std::vector<ConstTensorView>& outputs() const { return outputs_; }

 private:
  enum class Role { kInput, kOutput, kInOut };
  struct Guarded {
    Tensor memory;                    // sentinel, elements, sentinel
    std::vector<std::byte> contents;  // what Reset restores; empty: all ones
    int64_t size_bytes = 0;
    Role role = Role::kInput;
  };
  TensorView Take(DType dtype, Shape shape, Role role, const std::byte* contents);
  TensorView TakeOnDevice(DType dtype, Shape shape, const std::byte* contents);

  Context* context_ = nullptr;  // null: of the CPU
  std::vector<Guarded> tensors_;
  std::vector<ConstTensorView> outputs_;
};

}  // namespace tandem
