#pragma once
// What tests of row-wise ops share: a Context on given threads and instructions, random operands
// from a fixed seed, and bitwise comparison over every usable instruction set and thread count.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"
#include "tests/support/tolerances.h"

namespace tandem {

class OpContext {
 public:
  explicit OpContext(InstructionSet isa = BestInstructionSet(), int num_threads = 1)
      : pool_(num_threads), context_{.pool = pool_, .isa = isa, .workspace = workspace_} {}
  operator Context&() { return context_; }  // NOLINT
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

inline Tensor Integers(const std::vector<int32_t>& values, Shape shape) {
  Tensor tensor(DType::kI32, shape);
  std::copy(values.begin(), values.end(), tensor.data<int32_t>());
  return tensor;
}

inline std::vector<double> ToDoubles(ConstTensorView view) {
  std::vector<double> values(static_cast<size_t>(view.num_elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = view.dtype() == DType::kBf16
                    ? static_cast<double>(static_cast<float>(view.data<BFloat16>()[i]))
                    : static_cast<double>(view.data<float>()[i]);
  }
  return values;
}

inline bool SameBits(ConstTensorView a, ConstTensorView b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.num_elements() == 0 ||
          std::memcmp(a.bytes(), b.bytes(), static_cast<size_t>(a.size_bytes())) == 0);
}

// |got - want| against the table's bound, relative to the largest |want|.
inline void ExpectClose(ConstTensorView got, const std::vector<double>& want,
                        const std::string& what) {
  const std::vector<double> values = ToDoubles(got);
  ASSERT_EQ(values.size(), want.size()) << what;
  double largest = 0.0;
  for (const double value : want) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(values[i], want[i], OpTolerance(got.dtype()) * largest) << what << " element " << i;
  }
}

// Runs `op(context)`, which returns its result, everywhere; all results must be the same bits as
// the first (portable, one thread), which is returned.
template <typename Op>
Tensor SameEverywhere(Op&& op) {
  OpContext reference(InstructionSet::kPortable, 1);
  Tensor want = op(static_cast<Context&>(reference));
  for (const InstructionSet isa : UsableInstructionSets()) {
    for (const int num_threads : {1, 3}) {
      OpContext context(isa, num_threads);
      const Tensor got = op(static_cast<Context&>(context));
      EXPECT_TRUE(SameBits(got, want)) << Name(isa) << " on " << num_threads << " threads";
    }
  }
  return want;
}

}  // namespace tandem
