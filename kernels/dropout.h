#pragma once
// Dropout (Srivastava et al., 2014): values that a mask leaves out become 0, the others are divided
// by the share that stays. Masks are counter-based, so that they are the same on any number of
// threads, in a backward pass and after a resume.

#include <cstdint>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

// What a mask is for; two places never share one.
enum class DropoutPlace : uint32_t {
  kEmbedding,
  kAttentionWeights,  // probabilities
  kAttentionOutput,   // after the output projection
  kFeedForward,       // after the down projection; of a mixture, of all its routed experts
  kSharedExperts,     // the first; the next has the next number
};

// Of one micro-batch.
struct Dropout {
  double share = 0.0;  // of values that become 0, below 1; 0: there is no dropout
  uint64_t seed = 0;
  uint64_t step = 0;
  uint32_t micro_batch = 0;  // of the step

  bool is_active() const { return share > 0.0; }
};

// A mask as plain numbers, for devices: element e keeps its value, times `factor`, unless its
// random word, which is word e mod 4 of the number at (seed, position e / 4, kDropout), is below
// threshold.
struct DropoutMaskFields {
  uint64_t seed = 0;
  uint64_t threshold = 0;  // of 32 random bits; those below it drop
  float factor = 1.0f;
};

class DropoutMask {
 public:
  // `index`: of a shared expert.
  DropoutMask(const Dropout& dropout, DropoutPlace place, int64_t layer, int64_t index = 0);

  // factors[i] = that of element first + i: 0, or 1 / (1 - share).
  void Fill(uint64_t first, int64_t count, float* factors) const;

  const DropoutMaskFields& fields() const { return fields_; }

 private:
  DropoutMaskFields fields_;
};

enum class DropoutOutput : uint8_t { kStore, kAdd };

// y (=, +=) x times the mask, element by element.
struct DropOutArgs {
  ConstTensorView x;  // any shape; f32, or bf16 with kStore
  const DropoutMask& mask;
  TensorView y;  // the same shape and dtype; may be x
  DropoutOutput output = DropoutOutput::kStore;
};

void DropOut(Context& context, const DropOutArgs& args);

}  // namespace tandem
