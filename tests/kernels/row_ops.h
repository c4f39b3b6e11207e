#pragma once
// What tests of row-wise ops share: comparison with doubles, and of bits over every usable
// instruction set and thread count.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/ops/operands.h"
#include "tests/support/tolerances.h"

namespace tandem {

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
