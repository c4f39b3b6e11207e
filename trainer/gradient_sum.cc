#include "trainer/gradient_sum.h"

#include "kernels/activation.h"
#include "trainer/training_weights.h"

namespace tandem {

ModelTensors<Tensor>& GradientSum::Next() {
  if (next_ != nullptr) return *next_;
  if (free_.empty()) {
    free_.push_back(&buffers_.emplace_back(ZeroTensors(masters_)));
  }
  next_ = free_.back();
  free_.pop_back();
  return *next_;
}

void GradientSum::Add(Context& context) {
  CHECK(next_ != nullptr, "no gradient was written");
  subtrees_.push_back({next_, 1});
  next_ = nullptr;
  while (subtrees_.size() > 1 &&
         subtrees_[subtrees_.size() - 2].num_leaves == subtrees_.back().num_leaves) {
    MergeLast(context);
  }
}

ModelTensors<Tensor>& GradientSum::Finish(Context& context) {
  CHECK(!subtrees_.empty(), "a sum of no gradients");
  while (subtrees_.size() > 1) MergeLast(context);
  ModelTensors<Tensor>* sum = subtrees_.back().sum;
  subtrees_.clear();
  free_.push_back(sum);
  return *sum;
}

// The last two subtrees become one: the earlier plus the later.
void GradientSum::MergeLast(Context& context) {
  const Subtree later = subtrees_.back();
  subtrees_.pop_back();
  Subtree& earlier = subtrees_.back();
  const std::vector<Tensor*> to = AllTensors(*earlier.sum), from = AllTensors(*later.sum);
  for (size_t i = 0; i < to.size(); ++i) tandem::Add(context, {.x = *from[i], .y = *to[i]});
  earlier.num_leaves += later.num_leaves;
  free_.push_back(later.sum);
}

}  // namespace tandem
