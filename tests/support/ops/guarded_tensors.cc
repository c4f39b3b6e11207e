#include "tests/support/ops/guarded_tensors.h"

#include <algorithm>
#include <cstring>

#include "kernels/core/check.h"
#include "kernels/core/device_memory.h"

namespace tandem {
namespace {

constexpr int64_t kGuardBytes = 128;  // two cache lines: as far as a vector store may stray
constexpr std::byte kGuard{0xa5};
constexpr std::byte kUnwritten{0xff};

}  // namespace

ConstTensorView GuardedTensors::Input(ConstTensorView contents) {
  return Take(contents.dtype(), contents.shape(), Role::kInput, contents.bytes());
}

TensorView GuardedTensors::Output(DType dtype, Shape shape) {
  return Take(dtype, shape, Role::kOutput, nullptr);
}

TensorView GuardedTensors::InOut(ConstTensorView contents) {
  return Take(contents.dtype(), contents.shape(), Role::kInOut, contents.bytes());
}

TensorView GuardedTensors::TakeOnDevice(DType dtype, Shape shape, const std::byte* contents) {
  Guarded& taken = tensors_.emplace_back();
  // Never empty: a view of nothing means an operand that is not given.
  const int64_t size_bytes = std::max<int64_t>(shape.num_elements() * SizeOf(dtype), 1);
  taken.memory = Tensor(DType::kU8, {size_bytes}, context_->device);
  const TensorView view(taken.memory.view().bytes(), dtype, shape, context_->device);
  if (contents != nullptr) Copy(*context_, ConstTensorView(contents, dtype, shape), view);
  return view;
}

TensorView GuardedTensors::Take(DType dtype, Shape shape, Role role, const std::byte* contents) {
  if (context_ != nullptr && context_->device != kCpuDevice) {
    const TensorView view = TakeOnDevice(dtype, shape, contents);
    if (role != Role::kInput) outputs_.push_back(view);
    return view;
  }
  Guarded guarded{.size_bytes = shape.num_elements() * SizeOf(dtype), .role = role};
  guarded.memory = Tensor(DType::kU8, {guarded.size_bytes + 2 * kGuardBytes});
  if (contents != nullptr) guarded.contents.assign(contents, contents + guarded.size_bytes);
  std::byte* memory = guarded.memory.view().bytes();
  std::fill_n(memory, guarded.memory.size_bytes(), kGuard);
  std::byte* data = memory + kGuardBytes;
  if (contents != nullptr) {
    std::copy(guarded.contents.begin(), guarded.contents.end(), data);
  } else {
    std::fill_n(data, guarded.size_bytes, kUnwritten);
  }
  tensors_.push_back(std::move(guarded));
  const TensorView view(data, dtype, shape);
  if (role != Role::kInput) outputs_.push_back(view);
  return view;
}

void GuardedTensors::Reset() {
  for (Guarded& guarded : tensors_) {
    CHECK(guarded.memory.device() == kCpuDevice);
    std::byte* data = guarded.memory.view().bytes() + kGuardBytes;
    if (guarded.role == Role::kOutput) std::fill_n(data, guarded.size_bytes, kUnwritten);
    if (guarded.role == Role::kInOut) {
      std::copy(guarded.contents.begin(), guarded.contents.end(), data);
    }
  }
}

bool GuardedTensors::Intact() const {
  const auto is_guard = [](std::byte b) { return b == kGuard; };
  for (const Guarded& guarded : tensors_) {
    CHECK(guarded.memory.device() == kCpuDevice);
    const std::byte* memory = guarded.memory.view().bytes();
    const std::byte* data = memory + kGuardBytes;
    const std::byte* end = data + guarded.size_bytes;
    if (!std::all_of(memory, data, is_guard)) return false;
    if (!std::all_of(end, end + kGuardBytes, is_guard)) return false;
    if (guarded.role != Role::kInput) continue;
    if (!std::equal(data, end, guarded.contents.begin())) return false;
  }
  return true;
}

}  // namespace tandem
