#pragma once
// The tokens of one step as the forward pass reads them: ragged, device-ready, owned by the runner
// and reused between steps.

#include <cstdint>
#include <span>
#include <vector>

#include "engine/runner.h"
#include "kernels/kv_pages.h"

namespace tandem {

class TokenBatch {
 public:
  // Lays out the sequences of a step one after another. No allocation once the largest step was
  // seen.
  void Assign(std::span<const SequenceStep> sequences);

  int64_t num_tokens() const { return static_cast<int64_t>(token_ids_.size()); }
  int64_t max_position() const { return max_position_; }
  ConstTensorView token_ids() const { return View(token_ids_); }  // [tokens]
  ConstTensorView positions() const { return View(positions_); }  // [tokens]
  RaggedBatch ragged() const;

 private:
  static ConstTensorView View(const std::vector<int32_t>& values) {
    return {values.data(), Shape{static_cast<int64_t>(values.size())}};
  }

  std::vector<int32_t> token_ids_;
  std::vector<int32_t> positions_;
  std::vector<int32_t> cu_seqlens_;
  std::vector<int32_t> context_lens_;
  std::vector<int32_t> page_tables_;  // [num_seqs, max_pages_]; unused entries 0
  int64_t max_pages_ = 0;
  int64_t max_position_ = -1;
};

}  // namespace tandem
