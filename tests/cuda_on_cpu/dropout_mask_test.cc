// Random numbers and dropout masks in kernels are those of the host, bit for bit.

#include "kernels/cuda/primitives/dropout_mask.cuh"

#include <gtest/gtest.h>

#include <bit>
#include <vector>

#include "kernels/cuda/primitives/elementwise.cuh"

namespace tandem {
namespace {

constexpr int64_t kCount = 1000;

struct WordsBody {
  RandomKey key;
  uint4* words;
  double* uniform;

  __device__ void operator()(int64_t i) const {
    RandomKey own = key;
    own.position += static_cast<uint64_t>(i);
    words[i] = cuda::RandomWords(own);
    uniform[i] = cuda::UniformOf(own);
  }
};

TEST(RandomInKernels, IsTheHostsBitForBit) {
  for (const RandomKey& key :
       std::vector<RandomKey>{{},
                              {.seed = 0x123456789abcdef0u, .choice = 7, .position = 0xfffffe00u},
                              {.seed = ~uint64_t{0},
                              .choice = ~0u,
                              .position = ~uint64_t{0} - 500,
                              .purpose = RandomPurpose::kShuffle}}) {
    std::vector<uint4> words(kCount);
    std::vector<double> uniform(kCount);
    cuda::ForEach("words", nullptr, kCount, WordsBody{key, words.data(), uniform.data()});
    for (size_t i = 0; i < kCount; ++i) {
      RandomKey own = key;
      own.position += i;
      const std::array<uint32_t, 4> want = RandomBits(own);
      EXPECT_EQ((std::array{words[i].x, words[i].y, words[i].z, words[i].w}), want) << i;
      EXPECT_EQ(uniform[i], RandomUniform(own)) << i;
    }
  }
}

struct FactorsBody {
  DropoutMaskFields mask;
  uint64_t first;
  float* one;    // [kCount]
  float4* four;  // [kCount / 4]

  __device__ void operator()(int64_t i) const {
    const uint64_t element = first + static_cast<uint64_t>(i);
    one[i] = cuda::DropoutFactor(mask, element);
    if (i % 4 == 0) four[i / 4] = cuda::DropoutFactors(mask, element / 4);
  }
};

TEST(DropoutMaskInKernels, IsTheHostsBitForBit) {
  for (const double share : {0.0, 0.1, 0.5, 0.999}) {
    const DropoutMask mask({.share = share, .seed = 5, .step = 3, .micro_batch = 1},
                           DropoutPlace::kFeedForward, 2);
    for (const uint64_t first : {uint64_t{0}, uint64_t{12} << 40}) {
      std::vector<float> one(kCount), want(kCount);
      std::vector<float4> four(kCount / 4);
      cuda::ForEach("factors", nullptr, kCount,
                    FactorsBody{mask.fields(), first, one.data(), four.data()});
      mask.Fill(first, kCount, want.data());
      EXPECT_EQ(one, want) << share;
      for (size_t i = 0; i < four.size(); ++i) {
        const float4 f = four[i];
        const std::vector<float> group(want.begin() + static_cast<int64_t>(4 * i),
                                       want.begin() + static_cast<int64_t>(4 * i + 4));
        EXPECT_EQ((std::vector{f.x, f.y, f.z, f.w}), group) << share << " " << i;
      }
    }
  }
}

}  // namespace
}  // namespace tandem
