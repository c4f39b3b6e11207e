#include "tests/support/ops/guarded_tensors.h"

#include <algorithm>
#include <cstring>

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

TensorView GuardedTensors::Take(DType dtype, Shape shape, Role role, const std::byte* contents) {
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
