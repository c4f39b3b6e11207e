#include "trainer/held_out.h"

namespace tandem {

HeldOut::HeldOut(std::unique_ptr<BatchSource> source) : source_(std::move(source)) {}

double HeldOut::Loss(Context& context, Trainer& trainer, int64_t max_tokens) {
  source_->Seek({});
  double sum = 0, weight = 0;
  int64_t num_tokens = 0;
  for (int64_t left = source_->NumMicroBatches(0); left > 0; --left) {
    const TrainBatch batch = source_->Next().batch;
    const BatchLoss loss = trainer.Evaluate(context, batch);
    sum += loss.sum;
    weight += loss.weight;
    num_tokens += batch.num_tokens();
    if (max_tokens > 0 && num_tokens >= max_tokens) break;
  }
  return sum / weight;
}

}  // namespace tandem
