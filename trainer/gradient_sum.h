#pragma once
// The sum of the gradients of a step's micro-batches, in a fixed binary tree: neighbours first,
// then pairs of neighbours, and so on. The bits depend on the micro-batches and their number alone,
// so that ranks which own aligned subtrees come to the same sum. Owned by the trainer; holds one
// gradient for each level of the tree.

#include <deque>
#include <vector>

#include "engine/model/weights.h"
#include "kernels/core/context.h"

namespace tandem {

class GradientSum {
 public:
  // `masters` gives the shapes.
  explicit GradientSum(const ModelTensors<Tensor>& masters) : masters_(masters) {}

  // Where the gradient of the next micro-batch is to be written.
  ModelTensors<Tensor>& Next();
  // Takes what was written into Next() as the next leaf.
  void Add(Context& context);
  // The sum of all leaves (at least one); valid until Next is called.
  // The next leaf begins a new sum.
  ModelTensors<Tensor>& Finish(Context& context);

 private:
  // A finished subtree of `num_leaves`; neighbours in the vector are neighbours in the tree.
  struct Subtree {
    ModelTensors<Tensor>* sum;
    int64_t num_leaves;
  };
  void MergeLast(Context& context);

  const ModelTensors<Tensor>& masters_;
  std::deque<ModelTensors<Tensor>> buffers_;  // never move
  std::vector<ModelTensors<Tensor>*> free_;
  ModelTensors<Tensor>* next_ = nullptr;
  std::vector<Subtree> subtrees_;
};

}  // namespace tandem
