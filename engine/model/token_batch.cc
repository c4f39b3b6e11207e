#include "engine/model/token_batch.h"

#include <algorithm>

namespace tandem {

void TokenBatch::Assign(std::span<const SequenceStep> sequences) {
  token_ids_.clear();
  positions_.clear();
  cu_seqlens_.assign(1, 0);
  context_lens_.clear();
  max_pages_ = 1;
  max_position_ = -1;
  for (const SequenceStep& sequence : sequences) {
    max_pages_ = std::max(max_pages_, static_cast<int64_t>(sequence.pages.size()));
  }
  page_tables_.assign(sequences.size() * static_cast<size_t>(max_pages_), 0);
  for (size_t index = 0; index < sequences.size(); ++index) {
    const SequenceStep& sequence = sequences[index];
    const int64_t end = sequence.first + sequence.count;
    CHECK(sequence.count >= 1 && end <= static_cast<int64_t>(sequence.history.size()),
          sequence.first, sequence.count, sequence.history.size());
    CHECK(static_cast<int64_t>(sequence.pages.size()) * KvLayout::kPageTokens >= end,
          sequence.pages.size(), end);
    for (int64_t position = sequence.first; position < end; ++position) {
      token_ids_.push_back(sequence.history[static_cast<size_t>(position)]);
      positions_.push_back(static_cast<int32_t>(position));
    }
    cu_seqlens_.push_back(static_cast<int32_t>(token_ids_.size()));
    context_lens_.push_back(static_cast<int32_t>(end));
    std::copy(sequence.pages.begin(), sequence.pages.end(),
              page_tables_.begin() + static_cast<int64_t>(index) * max_pages_);
    max_position_ = std::max(max_position_, end - 1);
  }
}

RaggedBatch TokenBatch::ragged() const {
  const auto num_seqs = static_cast<int64_t>(context_lens_.size());
  return {.cu_seqlens = View(cu_seqlens_),
          .context_lens = View(context_lens_),
          .page_tables = {page_tables_.data(), Shape{num_seqs, max_pages_}}};
}

}  // namespace tandem
