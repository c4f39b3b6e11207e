#include "kernels/core/workspace.h"

#include <algorithm>

#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr int64_t kMinBlockBytes = 1 << 20;

}  // namespace

int64_t Workspace::size_bytes() const {
  int64_t total = 0;
  for (const Block& block : blocks_) total += block.buffer.size_bytes();
  return total;
}

std::byte* Workspace::Take(int64_t size_bytes) {
  const int64_t rounded = (size_bytes + 63) / 64 * 64;
  used_bytes_ += rounded;
  most_used_bytes_ = std::max(most_used_bytes_, used_bytes_);
  for (; current_ < blocks_.size(); ++current_) {
    Block& block = blocks_[current_];
    if (block.used_bytes + rounded <= block.buffer.size_bytes()) {
      std::byte* piece = block.buffer.data() + block.used_bytes;
      block.used_bytes += rounded;
      return piece;
    }
  }
  const int64_t previous = blocks_.empty() ? 0 : blocks_.back().buffer.size_bytes();
  const int64_t block_bytes = std::max({rounded, kMinBlockBytes, 2 * previous});
  blocks_.push_back({Buffer(device_, block_bytes), rounded});
  ++num_changes_;
  current_ = blocks_.size() - 1;
  return blocks_.back().buffer.data();
}

// Nothing is taken. What a piece did not fit into is memory that was touched for nothing.
void Workspace::BecomeOneBlock() {
  blocks_.clear();
  ++num_changes_;
  try {
    blocks_.push_back({Buffer(device_, std::max(most_used_bytes_, kMinBlockBytes)), 0});
  } catch (const DeviceError&) {
    // Somebody else took the memory meanwhile: whoever takes scratch next is told.
  }
}

WorkspaceScope::WorkspaceScope(Workspace& workspace)
    : workspace_(workspace),
      saved_block_(workspace.current_),
      saved_used_bytes_(workspace.current_ < workspace.blocks_.size()
                            ? workspace.blocks_[workspace.current_].used_bytes
                            : 0),
      saved_total_bytes_(workspace.used_bytes_) {}

WorkspaceScope::~WorkspaceScope() {
  for (size_t i = saved_block_ + 1; i < workspace_.blocks_.size(); ++i) {
    workspace_.blocks_[i].used_bytes = 0;
  }
  if (saved_block_ < workspace_.blocks_.size()) {
    workspace_.blocks_[saved_block_].used_bytes = saved_used_bytes_;
  }
  workspace_.current_ = saved_block_;
  workspace_.used_bytes_ = saved_total_bytes_;
  if (saved_total_bytes_ == 0 && workspace_.blocks_.size() > 1) workspace_.BecomeOneBlock();
}

}  // namespace tandem
