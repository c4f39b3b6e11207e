#pragma once
// What one micro-batch of training is: some whole sequences, one after another, and what each of
// their tokens is to predict. Sequences do not see each other. Made by trainer/data, read by
// trainer/model_grad; a plain value, owned by whoever holds it.

#include <cstdint>
#include <vector>

namespace tandem {

struct TrainBatch {
  static constexpr int32_t kNoTarget = -1;

  std::vector<int32_t> token_ids;   // [tokens]
  std::vector<int32_t> cu_seqlens;  // [sequences + 1]: tokens of sequence s are [cu[s], cu[s+1])
  std::vector<int32_t> targets;     // [tokens]: the id that should come next, or kNoTarget
  std::vector<float> weights;       // [tokens]: of each target in the loss; empty: all 1

  int64_t num_tokens() const { return static_cast<int64_t>(token_ids.size()); }
  int64_t num_sequences() const { return static_cast<int64_t>(cu_seqlens.size()) - 1; }
};

}  // namespace tandem
