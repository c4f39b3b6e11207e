#pragma once
// What tests and benchmarks of ops share: a Context on given threads and instructions, operands
// from fixed seeds, and any tensor as doubles.

#include <algorithm>
#include <random>
#include <vector>

#include "kernels/core/context.h"
#include "kernels/core/random.h"
#include "kernels/core/tensor.h"

namespace tandem {

class OpContext {
 public:
  explicit OpContext(InstructionSet isa = BestInstructionSet(), int num_threads = 1)
      : pool_(num_threads), context_{.pool = pool_, .isa = isa, .workspace = workspace_} {}
  operator Context&() { return context_; }  // NOLINT
  Context& context() { return context_; }
  Workspace& workspace() { return workspace_; }

 private:
  ThreadPool pool_;
  Workspace workspace_;
  Context context_;
};

inline void FillNormal(TensorView view, uint64_t seed, float scale = 1.0f) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  float* values = view.data<float>();
  for (int64_t i = 0; i < view.num_elements(); ++i) values[i] = normal(generator);
}

inline Tensor NormalTensor(Shape shape, uint64_t seed, float scale = 1.0f) {
  Tensor tensor(DType::kF32, shape);
  FillNormal(tensor, seed, scale);
  return tensor;
}

// Uniform in [-1, 1), by seed and index.
inline Tensor RandomTensor(Shape shape, uint64_t seed) {
  Tensor tensor(DType::kF32, shape);
  auto* data = tensor.data<float>();
  for (int64_t i = 0; i < shape.num_elements(); ++i) {
    const RandomKey key{.seed = seed, .position = static_cast<uint64_t>(i)};
    data[i] = static_cast<float>(2.0 * RandomUniform(key) - 1.0);
  }
  return tensor;
}

inline Tensor Integers(const std::vector<int32_t>& values, Shape shape) {
  Tensor tensor(DType::kI32, shape);
  std::copy(values.begin(), values.end(), tensor.data<int32_t>());
  return tensor;
}

inline double ElementAsDouble(ConstTensorView view, int64_t i) {
  switch (view.dtype()) {
    case DType::kF32:
      return static_cast<double>(view.data<float>()[i]);
    case DType::kBf16:
      return static_cast<double>(static_cast<float>(view.data<BFloat16>()[i]));
    case DType::kF16:
      return static_cast<double>(static_cast<float>(view.data<Float16>()[i]));
    case DType::kI8:
      return view.data<int8_t>()[i];
    case DType::kU8:
      return view.data<uint8_t>()[i];
    case DType::kI32:
      return view.data<int32_t>()[i];
    case DType::kI64:
      return static_cast<double>(view.data<int64_t>()[i]);
  }
  return 0;
}

inline std::vector<double> ToDoubles(ConstTensorView view) {
  std::vector<double> values(static_cast<size_t>(view.num_elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = ElementAsDouble(view, static_cast<int64_t>(i));
  }
  return values;
}

}  // namespace tandem
