#pragma once
// Memory whose end is the end of a page that nobody may touch, so that one byte too far is a fault.
// (The end is a multiple of 16 from the begin; bytes between the size and it are not guarded.)

#include <cstddef>

namespace tandem::cuda_on_cpu {

class GuardedMemory {
 public:
  explicit GuardedMemory(size_t bytes);
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;
  ~GuardedMemory();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  size_t size_;
  void* mapping_;
  size_t mapping_bytes_;
  std::byte* data_;
};

}  // namespace tandem::cuda_on_cpu
