#include "trainer/training_weights.h"

#include "kernels/core/device_memory.h"

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
    *columns.matrices[i] = AllocateMatrix(matrix.dtype(), matrix.k(), matrix.n(), matrix.device());
    *masters.matrices[i] = Tensor(DType::kF32, {matrix.n(), matrix.k()}, matrix.device());
    UnpackRows(context, matrix, 0, *masters.matrices[i]);
    PackColumns(context, *masters.matrices[i], *columns.matrices[i]);
    PrepareMatmul(context, *columns.matrices[i]);
  }
  for (size_t i = 0; i < from.vectors.size(); ++i) {
    const Tensor& vector = *from.vectors[i];
    if (vector.empty()) continue;
    *masters.vectors[i] = Tensor(DType::kF32, vector.shape(), vector.device());
    Copy(context, vector, *masters.vectors[i]);
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
    Copy(context, *masters.vectors[i], *to.vectors[i]);
  }
}

ModelTensors<Tensor> ZeroTensors(const ModelTensors<Tensor>& like, std::optional<Device> device) {
  ModelTensors<Tensor> made = SameStructure<Tensor>(like);
  std::vector<const Tensor*> models;
  const auto remember = [&](const Tensor& tensor) { models.push_back(&tensor); };
  ForEachTensor(like, remember, remember);
  size_t index = 0;
  const auto allocate = [&](Tensor& tensor) {
    const Tensor& model = *models[index++];
    if (!model.empty())
      tensor = Tensor(DType::kF32, model.shape(), device.value_or(model.device()));
  };
  ForEachTensor(made, allocate, allocate);
  return made;
}

void CopyTensors(Context& context, const ModelTensors<Tensor>& from, ModelTensors<Tensor>& to) {
  const std::vector<const Tensor*> sources = AllTensors(from);
  const std::vector<Tensor*> targets = AllTensors(to);
  CHECK(sources.size() == targets.size(), sources.size(), targets.size());
  for (size_t i = 0; i < sources.size(); ++i) Copy(context, *sources[i], *targets[i]);
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
