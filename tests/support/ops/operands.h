#pragma once
// What tests and benchmarks of ops share: a Context on given threads and instructions, operands
// from fixed seeds, and any tensor as doubles.

#include <algorithm>
#include <random>
#include <vector>

#include "kernels/core/context.h"
#include "kernels/core/device_memory.h"
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

// The CPU on the threads of a context of any device: what operands are made with.
class HostSide {
 public:
  explicit HostSide(const Context& context)
      : context_{.pool = context.pool, .isa = context.isa, .workspace = workspace_} {}
  operator Context&() { return context_; }  // NOLINT

 private:
  Workspace workspace_;
  Context context_;
};

// Where the context's device is: `made` itself on the CPU, else a copy.
inline Tensor Placed(Context& context, Tensor made) {
  if (context.device == kCpuDevice) return made;
  Tensor placed(made.dtype(), made.shape(), context.device);
  Copy(context, made, placed);
  return placed;
}

// Of operands of hundreds of megabytes only so many elements are drawn, and then repeated. Not a
// multiple of any row's width: rows differ.
inline constexpr int64_t kMostDrawn = 262139;

inline void RepeatDrawn(float* values, int64_t count) {
  for (int64_t i = kMostDrawn; i < count; i += kMostDrawn) {
    std::copy_n(values, std::min(kMostDrawn, count - i), values + i);
  }
}

inline void FillNormal(TensorView view, uint64_t seed, float scale = 1.0f) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  float* values = view.data<float>();
  const int64_t count = view.num_elements();
  for (int64_t i = 0; i < std::min(count, kMostDrawn); ++i) values[i] = normal(generator);
  RepeatDrawn(values, count);
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
  for (int64_t i = 0; i < std::min(shape.num_elements(), kMostDrawn); ++i) {
    const RandomKey key{.seed = seed, .position = static_cast<uint64_t>(i)};
    data[i] = static_cast<float>(2.0 * RandomUniform(key) - 1.0);
  }
  RepeatDrawn(data, shape.num_elements());
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
