#pragma once
// The tokens of one step as the forward pass reads them: ragged, on the device, owned by the runner
// and reused between steps.

#include <cstdint>
#include <span>

#include "engine/runner.h"
#include "kernels/core/staged_tensor.h"
#include "kernels/kv_pages.h"

namespace tandem {

// What a batch has beside its sequences, so that steps of many sizes have the same shapes: after
// them, sequences of one token each (id 0 at position 0), and wider page tables. Nothing of a
// sequence hangs on it.
struct BatchPadding {
  int64_t num_tokens = 0;  // of the batch, at least
  int64_t max_pages = 1;   // of a sequence, at least
  PageId page = 0;         // of the added tokens, and of no sequence
};

// What the step before draws, for sequences that end in a token of it.
struct DrawnTokens {
  std::span<const int32_t> rows;  // of its sequences, in `ids`; -1: draws nothing
  ConstTensorView ids;  // [rows], i32, on the device, in the order of whose work it is read
};

class TokenBatch {
 public:
  // Lays out the sequences of a step one after another, on the context's device. No allocation once
  // the largest step was seen.
  void Assign(Context& context, std::span<const SequenceStep> sequences,
              const BatchPadding& padding = {}, const DrawnTokens& before = {});

  int64_t num_tokens() const { return num_tokens_; }
  int64_t max_position() const { return max_position_; }
  ConstTensorView token_ids() const { return values_.view({num_tokens_}, 0); }  // [tokens]
  ConstTensorView positions() const {
    return values_.view({num_tokens_}, num_tokens_);
  }  // [tokens]
  RaggedBatch ragged() const;
  // Where all of it lies.
  const void* address() const { return token_ids().bytes(); }

 private:
  // Where the parts of values_ begin: token ids, positions, cu_seqlens, context_lens, page tables
  // [num_seqs, max_pages_] whose unused entries are 0, and where there are pending tokens, the rows
  // [tokens] that they are drawn in, -1 for others.
  int64_t FirstBound() const { return 2 * num_tokens_; }
  int64_t FirstLength() const { return FirstBound() + num_seqs_ + 1; }
  int64_t FirstPage() const { return FirstLength() + num_seqs_; }
  int64_t FirstSource() const { return FirstPage() + num_seqs_ * max_pages_; }
  void Write(const SequenceStep& sequence, int64_t index, int64_t first_token);
  void WritePadding(PageId page, int64_t index, int64_t token);
  bool WriteSources(std::span<const SequenceStep> sequences, std::span<const int32_t> rows);

  StagedTensor<int32_t> values_;  // one block, so that one copy brings it to a device
  int64_t num_tokens_ = 0;
  int64_t num_seqs_ = 0;
  int64_t max_pages_ = 1;
  int64_t max_position_ = -1;
};

}  // namespace tandem
