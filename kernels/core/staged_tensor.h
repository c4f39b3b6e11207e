#pragma once
// Numbers that the host writes and the ops of a device read, or the other way round: one memory on
// the CPU; elsewhere two, with copies between them. Reused from step to step: it grows to the
// largest need seen. Owned by whoever runs steps.

#include <algorithm>
#include <cstdint>

#include "kernels/core/device_memory.h"
#include "kernels/core/tensor.h"

namespace tandem {

template <typename T>
class StagedTensor {
 public:
  // Room for `count` elements, on the host and on the context's device. What was there is lost
  // when it grows.
  void Reserve(const Context& context, int64_t count) {
    if (count <= capacity_ && device_ == context.device) return;
    capacity_ = std::max(count, 2 * capacity_);
    device_ = context.device;
    const int64_t size_bytes = capacity_ * static_cast<int64_t>(sizeof(T));
    host_ = Buffer(kCpuDevice, size_bytes);
    copy_ = device_ == kCpuDevice ? Buffer() : Buffer(device_, size_bytes);
  }

  T* host() { return reinterpret_cast<T*>(host_.data()); }
  const T* host() const { return reinterpret_cast<const T*>(host_.data()); }
  // Elements [first, first + count) where ops find them.
  T* data(int64_t first = 0) {
    return reinterpret_cast<T*>(copy_.empty() ? host_.data() : copy_.data()) + first;
  }
  TensorView view(Shape shape, int64_t first = 0) {
    CHECK(first + shape.num_elements() <= capacity_, first, shape, capacity_);
    return {reinterpret_cast<std::byte*>(data(first)), kDTypeOf<T>, shape, device_};
  }
  ConstTensorView view(Shape shape, int64_t first = 0) const {
    return const_cast<StagedTensor*>(this)->view(shape, first);
  }

  // The first `count` elements, in the order of the stream; to the host: there after Synchronize.
  void ToDevice(Context& context, int64_t count) {
    Copy(context, Bytes(host_, count), Bytes(copy_.empty() ? host_ : copy_, count));
  }
  void ToHost(Context& context, int64_t count) {
    Copy(context, Bytes(copy_.empty() ? host_ : copy_, count), Bytes(host_, count));
  }

 private:
  TensorView Bytes(Buffer& buffer, int64_t count) const {
    CHECK(count <= capacity_, count, capacity_);
    const int64_t size_bytes = count * static_cast<int64_t>(sizeof(T));
    return {buffer.data(), DType::kU8, {size_bytes}, buffer.device()};
  }

  int64_t capacity_ = 0;  // elements
  Device device_;
  Buffer host_;
  Buffer copy_;  // on another device than the CPU
};

}  // namespace tandem
