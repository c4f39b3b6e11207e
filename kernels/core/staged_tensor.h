#pragma once
// Numbers that the host writes and the ops of a device read, or the other way round: one memory on
// the CPU; elsewhere three, with copies between them that the host does not wait for. The device's
// is one, which the order of its work protects. The host's are two in turn, so that it may write
// the numbers of one step, or read them, while the copies of another are under way. Reused from
// step to step: it grows to the largest need seen. Owned by whoever runs steps.

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "kernels/core/device_memory.h"
#include "kernels/core/tensor.h"

namespace tandem {

template <typename T>
class StagedTensor {
 public:
  // Room for `count` elements, on the host and on the context's device, which the host may write:
  // goes to the host's other memory and waits for the last copy between that and the device's. What
  // is on the device is lost when that grows, which waits for all work there. The memory that the
  // host had until now keeps its place and what it holds, up to the next Reserve.
  void Reserve(Context& context, int64_t count) {
    const size_t turn = context.device == kCpuDevice ? 0 : 1 - turn_;
    halves_[turn].copied.Await();
    const bool grows = count > capacity_ || device_ != context.device;
    const int64_t capacity = grows ? std::max(count, 2 * capacity_) : capacity_;
    if (grows || halves_[turn].capacity < capacity) {
      Buffer memory = StagingBuffer(context.device, SizeBytes(capacity));
      if (grows) GrowCopy(context, capacity);
      halves_[turn].memory = std::move(memory);
      halves_[turn].capacity = capacity;
    }
    turn_ = turn;
  }

  T* host() { return reinterpret_cast<T*>(halves_[turn_].memory.data()); }
  const T* host() const { return reinterpret_cast<const T*>(halves_[turn_].memory.data()); }
  // Elements [first, first + count) where ops find them.
  T* data(int64_t first = 0) {
    return (copy_.empty() ? host() : reinterpret_cast<T*>(copy_.data())) + first;
  }
  TensorView view(Shape shape, int64_t first = 0) {
    CHECK(first + shape.num_elements() <= capacity_, first, shape, capacity_);
    return {reinterpret_cast<std::byte*>(data(first)), kDTypeOf<T>, shape, device_};
  }
  ConstTensorView view(Shape shape, int64_t first = 0) const {
    return const_cast<StagedTensor*>(this)->view(shape, first);
  }

  // The first `count` elements, in the order of the stream, between the device and the memory that
  // the host has since the last Reserve. To the device: the host writes again after Reserve or
  // Synchronize, not before. To the host: there after Synchronize, or an event marked after this.
  void ToDevice(Context& context, int64_t count) {
    if (copy_.empty()) return;
    Half& half = halves_[turn_];
    Copy(context, Bytes(half.memory, count), Bytes(copy_, count));
    half.copied.Mark(context);
  }
  void ToHost(Context& context, int64_t count) {
    if (copy_.empty()) return;
    Half& half = halves_[turn_];
    Copy(context, Bytes(copy_, count), Bytes(half.memory, count));
    half.copied.Mark(context);
  }

 private:
  struct Half {
    int64_t capacity = 0;  // elements
    Buffer memory;         // the host's
    Event copied;          // marked by ToDevice and ToHost
  };

  static int64_t SizeBytes(int64_t count) { return count * static_cast<int64_t>(sizeof(T)); }

  void GrowCopy(Context& context, int64_t capacity) {
    if (context.device != kCpuDevice) {
      Buffer copy(context.device, SizeBytes(capacity));
      if (!copy_.empty()) Synchronize(context);  // what is under way may use what there is
      copy_ = std::move(copy);
    } else {
      copy_ = Buffer();
    }
    if (device_ != context.device) halves_[0].capacity = halves_[1].capacity = 0;
    device_ = context.device;
    capacity_ = capacity;
  }

  TensorView Bytes(Buffer& buffer, int64_t count) const {
    CHECK(count <= capacity_, count, capacity_);
    return {buffer.data(), DType::kU8, {SizeBytes(count)}, buffer.device()};
  }

  int64_t capacity_ = 0;  // elements, on the device and in the half that has its turn
  Device device_;
  std::array<Half, 2> halves_;  // in turn; on the CPU, where ops use it, the first alone
  size_t turn_ = 0;
  Buffer copy_;  // on another device than the CPU
};

}  // namespace tandem
