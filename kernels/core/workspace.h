#pragma once
// Scratch memory of one device as a stack: an op opens a WorkspaceScope, takes 64-byte aligned
// pieces, and the scope gives them back. The memory grows by blocks, which become one of the
// largest need seen when everything was given back: no allocation in a steady state. One thread
// (the caller of ops) takes; worker threads may use what was taken.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/core/tensor.h"

namespace tandem {

class Workspace {
 public:
  explicit Workspace(Device device = kCpuDevice) : device_(device) {}
  Device device() const { return device_; }
  int64_t size_bytes() const;  // held now, over all blocks
  // Goes up whenever memory comes or goes. As long as it stays, what takes the same pieces from the
  // start takes the same memory, and no allocation.
  uint64_t num_changes() const { return num_changes_; }

 private:
  friend class WorkspaceScope;
  struct Block {
    Buffer buffer;
    int64_t used_bytes = 0;
  };
  std::byte* Take(int64_t size_bytes);
  void BecomeOneBlock();

  Device device_;
  std::vector<Block> blocks_;  // a piece never spans two; earlier blocks never move
  size_t current_ = 0;         // blocks_[current_] is being filled
  int64_t used_bytes_ = 0;     // over all blocks
  int64_t most_used_bytes_ = 0;
  uint64_t num_changes_ = 0;  // of blocks_
};

class WorkspaceScope {
 public:
  explicit WorkspaceScope(Workspace& workspace);
  ~WorkspaceScope();
  WorkspaceScope(const WorkspaceScope&) = delete;
  WorkspaceScope& operator=(const WorkspaceScope&) = delete;

  // `count` uninitialised elements; valid until the scope ends.
  template <typename T>
  T* Take(int64_t count) {
    CHECK(count >= 0, count);
    return reinterpret_cast<T*>(workspace_.Take(count * static_cast<int64_t>(sizeof(T))));
  }
  // The same as a view that knows its device.
  TensorView TakeTensor(DType dtype, const Shape& shape) {
    return {workspace_.Take(shape.num_elements() * SizeOf(dtype)), dtype, shape,
            workspace_.device()};
  }

 private:
  Workspace& workspace_;
  size_t saved_block_;
  int64_t saved_used_bytes_;   // of that block
  int64_t saved_total_bytes_;  // of all
};

}  // namespace tandem
