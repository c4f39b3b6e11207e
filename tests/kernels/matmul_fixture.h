#pragma once
// What tests of packed weights share: a context with its own threads, and reproducible operands.

#include <cstdint>

#include "kernels/core/context.h"
#include "kernels/core/random.h"
#include "kernels/core/tensor.h"

namespace tandem {

struct Machine {
  explicit Machine(InstructionSet isa = BestInstructionSet(), int num_threads = 1)
      : pool(num_threads), context{.pool = pool, .isa = isa, .workspace = workspace} {}

  ThreadPool pool;
  Workspace workspace;
  Context context;
};

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

}  // namespace tandem
