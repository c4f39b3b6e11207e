#pragma once
// Data that is evaluated and never trained on. Owns its source; the trainer's thread uses it
// between steps. Evaluating changes nothing of the training.

#include <cstdint>
#include <memory>

#include "trainer/data/batch_source.h"
#include "trainer/trainer.h"

namespace tandem {

class HeldOut {
 public:
  explicit HeldOut(std::unique_ptr<BatchSource> source);

  // The mean of -log p over all targets of an epoch, or of its first micro-batches that have
  // max_tokens together (0: all): always the same ones.
  double Loss(Context& context, Trainer& trainer, int64_t max_tokens);

 private:
  std::unique_ptr<BatchSource> source_;
};

}  // namespace tandem
