#include "kernels/dropout.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

std::vector<float> Factors(const Dropout& dropout, DropoutPlace place, int64_t layer,
                           int64_t index = 0) {
  std::vector<float> factors(4000);
  DropoutMask(dropout, place, layer, index).Fill(0, 4000, factors.data());
  return factors;
}

TEST(DropoutMask, DropsItsShareAndKeepsTheMean) {
  for (const double share : {0.0, 0.1, 0.5, 0.9}) {
    const auto factors = Factors({.share = share, .seed = 3}, DropoutPlace::kEmbedding, 0);
    double num_dropped = 0;
    for (const float factor : factors) {
      if (factor == 0.0f) {
        ++num_dropped;
      } else {
        EXPECT_FLOAT_EQ(factor, static_cast<float>(1.0 / (1.0 - share)));
      }
    }
    EXPECT_NEAR(num_dropped / 4000, share, 0.03) << share;
  }
}

TEST(DropoutMask, IsAnotherForEverythingThatItDependsOn) {
  const Dropout base{.share = 0.5, .seed = 3, .step = 7, .micro_batch = 1};
  Dropout seed = base, step = base, micro_batch = base;
  seed.seed = 4;
  step.step = 8;
  micro_batch.micro_batch = 2;
  const std::set<std::vector<float>> masks = {Factors(base, DropoutPlace::kEmbedding, 0),
                                              Factors(seed, DropoutPlace::kEmbedding, 0),
                                              Factors(step, DropoutPlace::kEmbedding, 0),
                                              Factors(micro_batch, DropoutPlace::kEmbedding, 0),
                                              Factors(base, DropoutPlace::kEmbedding, 1),
                                              Factors(base, DropoutPlace::kAttentionWeights, 0),
                                              Factors(base, DropoutPlace::kAttentionOutput, 0),
                                              Factors(base, DropoutPlace::kFeedForward, 0),
                                              Factors(base, DropoutPlace::kSharedExperts, 0),
                                              Factors(base, DropoutPlace::kSharedExperts, 0, 1)};
  EXPECT_EQ(masks.size(), 10u);
  EXPECT_EQ(Factors(base, DropoutPlace::kFeedForward, 5),
            Factors(base, DropoutPlace::kFeedForward, 5));
}

TEST(DropoutMask, IsTheSameFromAnywhere) {
  const DropoutMask mask({.share = 0.3, .seed = 1}, DropoutPlace::kFeedForward, 2);
  std::vector<float> whole(100), part(37);
  mask.Fill(0, 100, whole.data());
  for (const int64_t first : {0, 1, 2, 3, 4, 50, 63}) {
    mask.Fill(static_cast<uint64_t>(first), 37, part.data());
    EXPECT_EQ(std::memcmp(part.data(), whole.data() + first, 37 * sizeof(float)), 0) << first;
  }
}

TEST(DropOut, MultipliesOrAddsOnAnyNumberOfThreads) {
  const DropoutMask mask({.share = 0.4, .seed = 9}, DropoutPlace::kAttentionOutput, 1);
  const Shape shape{123, 211};
  const int64_t count = shape.num_elements();
  std::vector<float> factors(static_cast<size_t>(count));
  mask.Fill(0, count, factors.data());
  const Tensor x = RandomTensor(shape, 5);
  for (const int threads : {1, 3}) {
    OpContext context(BestInstructionSet(), threads);
    Tensor stored = x.Clone(), added = x.Clone(), narrow(DType::kBf16, shape);
    for (int64_t i = 0; i < count; ++i) {
      narrow.data<BFloat16>()[i] = BFloat16(x.data<float>()[i]);
    }
    DropOut(context, {.x = stored, .mask = mask, .y = stored});
    DropOut(context, {.x = x, .mask = mask, .y = added, .output = DropoutOutput::kAdd});
    DropOut(context, {.x = narrow, .mask = mask, .y = narrow});
    for (int64_t i = 0; i < count; ++i) {
      const float value = x.data<float>()[i], factor = factors[static_cast<size_t>(i)];
      ASSERT_EQ(stored.data<float>()[i], value * factor) << i;
      ASSERT_EQ(added.data<float>()[i], value + value * factor) << i;
      ASSERT_EQ(narrow.data<BFloat16>()[i], BFloat16(static_cast<float>(BFloat16(value)) * factor))
          << i;
    }
  }
}

}  // namespace
}  // namespace tandem
