#pragma once
// Numbers that the host writes and the ops of a device read, or the other way round: one memory on
// the CPU; elsewhere two, with copies between them that the host does not wait for. Reused from
// step to step: it grows to the largest need seen. Owned by whoever runs steps.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernels/core/device_memory.h"
#include "kernels/core/tensor.h"

namespace tandem {

template <typename T>
class StagedTensor {
 public:
  // Room for `count` elements, on the host and on the context's device, which the host may write:
  // waits for the last copy between the two. What was there is lost when it grows.
  void Reserve(const Context& context, int64_t count) {
    copied_.Await();
    if (count <= capacity_ && device_ == context.device) return;
    const int64_t capacity = std::max(count, 2 * capacity_);
    const int64_t size_bytes = capacity * static_cast<int64_t>(sizeof(T));
    Buffer host = StagingBuffer(context.device, size_bytes);
    copy_ = context.device == kCpuDevice ? Buffer() : Buffer(context.device, size_bytes);
    host_ = std::move(host);
    device_ = context.device;
    capacity_ = capacity;
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

  // The first `count` elements, in the order of the stream. To the device: the host writes again
  // after Reserve or Synchronize, not before. To the host: there after Synchronize.
  void ToDevice(Context& context, int64_t count) {
    if (copy_.empty()) return;
    Copy(context, Bytes(host_, count), Bytes(copy_, count));
    copied_.Mark(context);
  }
  void ToHost(Context& context, int64_t count) {
    if (copy_.empty()) return;
    Copy(context, Bytes(copy_, count), Bytes(host_, count));
    copied_.Mark(context);
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
  Buffer copy_;   // on another device than the CPU
  Event copied_;  // marked by ToDevice and ToHost
};

}  // namespace tandem
