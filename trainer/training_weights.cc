#include "trainer/training_weights.h"

#include <algorithm>

namespace tandem {
namespace {

// Every matrix and vector of a structure, empty ones included, so that two of the same structure
// can be walked side by side.
template <typename Matrix>
struct Flat {
  std::vector<Matrix*> matrices;
  std::vector<Tensor*> vectors;
};

template <typename Matrix>
Flat<Matrix> Flatten(ModelTensors<Matrix>& tensors) {
  Flat<Matrix> flat;
  ForEachTensor(
      tensors, [&](Matrix& matrix) { flat.matrices.push_back(&matrix); },
      [&](Tensor& vector) { flat.vectors.push_back(&vector); });
  return flat;
}

}  // namespace

TrainingWeights::TrainingWeights(Context& context, ModelWeights& compute)
    : compute_(compute),
      columns_(SameStructure<PackedMatrix>(compute)),
      masters_(SameStructure<Tensor>(compute)) {
  CHECK(compute.dtype != DType::kI8, "weights in i8 cannot be trained");
  const Flat<PackedMatrix> from = Flatten<PackedMatrix>(compute_);
  const Flat<PackedMatrix> columns = Flatten(columns_);
  const Flat<Tensor> masters = Flatten(masters_);
  for (size_t i = 0; i < from.matrices.size(); ++i) {
    const PackedMatrix& matrix = *from.matrices[i];
    if (matrix.empty()) continue;
    *columns.matrices[i] = AllocateMatrix(matrix.dtype(), matrix.k(), matrix.n());
    *masters.matrices[i] = Tensor(DType::kF32, {matrix.n(), matrix.k()});
    UnpackRows(context, matrix, 0, *masters.matrices[i]);
    PackColumns(context, *masters.matrices[i], *columns.matrices[i]);
  }
  for (size_t i = 0; i < from.vectors.size(); ++i) {
    if (!from.vectors[i]->empty()) *masters.vectors[i] = from.vectors[i]->Clone();
  }
}

void TrainingWeights::Publish(Context& context) {
  const Flat<PackedMatrix> to = Flatten<PackedMatrix>(compute_);
  const Flat<PackedMatrix> columns = Flatten(columns_);
  const Flat<Tensor> masters = Flatten(masters_);
  for (size_t i = 0; i < to.matrices.size(); ++i) {
    if (to.matrices[i]->empty()) continue;
    PackRows(context, *masters.matrices[i], 0, *to.matrices[i]);
    PackColumns(context, *masters.matrices[i], *columns.matrices[i]);
  }
  for (size_t i = 0; i < to.vectors.size(); ++i) {
    if (to.vectors[i]->empty()) continue;
    const Tensor& master = *masters.vectors[i];
    std::copy_n(master.data<float>(), master.shape().num_elements(), to.vectors[i]->data<float>());
  }
}

ModelTensors<Tensor> ZeroTensors(const ModelTensors<Tensor>& like) {
  ModelTensors<Tensor> made = SameStructure<Tensor>(like);
  std::vector<Shape> shapes;
  const auto remember = [&](const Tensor& tensor) {
    shapes.push_back(tensor.empty() ? Shape{0} : tensor.shape());
  };
  ForEachTensor(like, remember, remember);
  size_t index = 0;
  const auto allocate = [&](Tensor& tensor) {
    const Shape& shape = shapes[index++];
    if (shape.num_elements() > 0) tensor = Tensor(DType::kF32, shape);
  };
  ForEachTensor(made, allocate, allocate);
  return made;
}

std::vector<Tensor*> AllTensors(ModelTensors<Tensor>& tensors) {
  std::vector<Tensor*> all;
  const auto take = [&](Tensor& tensor) {
    if (!tensor.empty()) all.push_back(&tensor);
  };
  ForEachTensor(tensors, take, take);
  return all;
}

std::vector<const Tensor*> AllTensors(const ModelTensors<Tensor>& tensors) {
  std::vector<const Tensor*> all;
  const auto take = [&](const Tensor& tensor) {
    if (!tensor.empty()) all.push_back(&tensor);
  };
  ForEachTensor(tensors, take, take);
  return all;
}

}  // namespace tandem
