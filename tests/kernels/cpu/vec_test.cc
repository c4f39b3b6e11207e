// kernels/cpu/vec.h in all its lowerings: right against double precision, and the same bits.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/core/instruction_set.h"
#include "tests/kernels/cpu/vec_probe.h"

namespace tandem {
namespace {

constexpr int64_t kWidth = 16;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<VecProbe> UsableProbes() {
  std::vector<VecProbe> probes = {PortableProbe()};
  if (BestInstructionSet() >= InstructionSet::kAvx2) probes.push_back(Avx2Probe());
  if (BestInstructionSet() >= InstructionSet::kAvx512) probes.push_back(Avx512Probe());
  return probes;
}

// Every `stride`-th float pattern, so all exponents, both signs, infinities and NaN, padded to 16.
std::vector<float> Patterns(uint64_t stride) {
  std::vector<float> values;
  for (uint64_t bits = 0; bits <= 0xffffffffull; bits += stride) {
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
  for (const float special : {0.0f, -0.0f, kInfinity, -kInfinity, kNaN, 88.72283f, 88.73f, -87.33f,
                              -87.33654f, -87.34f, -104.0f, 1e30f, -1e30f}) {
    values.push_back(special);
  }
  values.resize((values.size() + kWidth - 1) / kWidth * kWidth, 1.0f);
  return values;
}

bool SameBits(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

// NaN compares equal to NaN: payloads are not part of the promise.
void ExpectSame(const std::vector<float>& x, const std::vector<float>& got,
                const std::vector<float>& want, const char* name) {
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_TRUE(SameBits(got[i], want[i]) || (std::isnan(got[i]) && std::isnan(want[i])))
        << name << " at x = " << x[i] << ": " << got[i] << " and " << want[i];
  }
}

double UlpOf(double value) {
  const int exponent = std::max(std::ilogb(value), -126);
  return std::ldexp(1.0, exponent - 23);
}

TEST(VecExp, IsWithinOneUlpOfDoublePrecision) {
  std::vector<float> x = Patterns(4001);
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(-87.3365f, 88.7228f);
  for (int i = 0; i < 400000; ++i) x.push_back(uniform(generator));
  std::vector<float> y(x.size());
  PortableProbe().exp(x.data(), static_cast<int64_t>(x.size()), y.data());
  double worst = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      ASSERT_TRUE(std::isnan(y[i]));
    } else if (x[i] < -87.33654f) {
      ASSERT_EQ(y[i], 0.0f) << x[i];
    } else if (x[i] > 88.72283f) {
      ASSERT_EQ(y[i], kInfinity) << x[i];
    } else {
      const double want = std::exp(static_cast<double>(x[i]));
      const double error = std::abs(static_cast<double>(y[i]) - want) / UlpOf(want);
      ASSERT_LE(error, 1.0) << x[i];
      worst = std::max(worst, error);
    }
  }
  RecordProperty("worst_ulp", std::to_string(worst));
  EXPECT_EQ(y[0], 1.0f);  // exp(0) is exact: the sampler's largest weight depends on it
}

TEST(VecExp, IsAtMostOneForNothingPositive) {
  std::vector<float> x;
  for (uint32_t bits = 0x80000000u; bits < 0xc0000000u; bits += 977) {
    x.push_back(std::bit_cast<float>(bits));
  }
  x.resize((x.size() + kWidth - 1) / kWidth * kWidth, -1.0f);
  std::vector<float> y(x.size());
  PortableProbe().exp(x.data(), static_cast<int64_t>(x.size()), y.data());
  for (size_t i = 0; i < x.size(); ++i) ASSERT_LE(y[i], 1.0f) << x[i];
}

TEST(VecFunctions, AreTheSameBitsInEveryLowering) {
  const std::vector<float> x = Patterns(40009);
  const auto count = static_cast<int64_t>(x.size());
  std::vector<float> want_exp(x.size()), want_silu(x.size()), got(x.size());
  PortableProbe().exp(x.data(), count, want_exp.data());
  PortableProbe().silu(x.data(), count, want_silu.data());
  for (const VecProbe& probe : UsableProbes()) {
    probe.exp(x.data(), count, got.data());
    ExpectSame(x, got, want_exp, probe.name);
    probe.silu(x.data(), count, got.data());
    ExpectSame(x, got, want_silu, probe.name);
  }
}

TEST(VecSilu, AgreesWithDoublePrecision) {
  std::vector<float> x;
  for (float v = -90.0f; v < 90.0f; v += 0.01171875f) x.push_back(v);
  x.resize(x.size() / kWidth * kWidth);
  std::vector<float> y(x.size());
  PortableProbe().silu(x.data(), static_cast<int64_t>(x.size()), y.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const auto v = static_cast<double>(x[i]);
    const double want = v / (1.0 + std::exp(-v));
    ASSERT_NEAR(y[i], want, 4e-7 * std::abs(want) + 1e-36) << v;
  }
}

TEST(VecBf16, StoreRoundsAsTheScalarTypeDoes) {
  std::vector<float> x = Patterns(9973);
  for (uint32_t high = 0; high < 65536; high += 7) {  // ties and their neighbours
    for (const uint32_t low : {0x7fffu, 0x8000u, 0x8001u}) {
      x.push_back(std::bit_cast<float>(high << 16 | low));
    }
  }
  x.resize(x.size() / kWidth * kWidth);
  std::vector<BFloat16> y(x.size());
  for (const VecProbe& probe : UsableProbes()) {
    probe.to_bf16(x.data(), static_cast<int64_t>(x.size()), y.data());
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(y[i].bits, BFloat16(x[i]).bits) << probe.name << " " << x[i];
    }
  }
}

TEST(VecBf16, LoadWidensEveryPattern) {
  std::vector<BFloat16> x(65536);
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    x[bits] = BFloat16::FromBits(static_cast<uint16_t>(bits));
  }
  std::vector<float> y(x.size());
  for (const VecProbe& probe : UsableProbes()) {
    probe.from_bf16(x.data(), static_cast<int64_t>(x.size()), y.data());
    for (uint32_t bits = 0; bits < 65536; ++bits) {
      ASSERT_EQ(std::bit_cast<uint32_t>(y[bits]), bits << 16) << probe.name;
    }
  }
}

TEST(VecLanes, SumFollowsTheTree) {
  std::mt19937 generator(3);
  std::normal_distribution<float> normal(0.0f, 100.0f);
  for (int round = 0; round < 100; ++round) {
    float x[kWidth], tree[kWidth];
    for (int i = 0; i < kWidth; ++i) tree[i] = x[i] = normal(generator);
    for (int half = 8; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) tree[i] = tree[i] + tree[i + half];
    }
    for (const VecProbe& probe : UsableProbes()) {
      ASSERT_TRUE(SameBits(probe.sum_lanes(x), tree[0])) << probe.name;
      ASSERT_EQ(probe.max_lanes(x), *std::max_element(x, x + kWidth)) << probe.name;
    }
  }
}

TEST(VecLanes, MaxAndMinTakeTheSecondOperandWhereOneIsNaN) {
  float a[kWidth], b[kWidth], y[kWidth];
  for (int i = 0; i < kWidth; ++i) {
    a[i] = i % 3 == 0 ? kNaN : static_cast<float>(i);
    b[i] = i % 4 == 1 ? kNaN : 7.5f;
  }
  for (const VecProbe& probe : UsableProbes()) {
    probe.max(a, b, y);
    for (int i = 0; i < kWidth; ++i) {
      const float want = a[i] > b[i] ? a[i] : b[i];
      ASSERT_TRUE(SameBits(y[i], want) || (std::isnan(y[i]) && std::isnan(want))) << probe.name;
    }
    probe.min(a, b, y);
    for (int i = 0; i < kWidth; ++i) {
      const float want = a[i] < b[i] ? a[i] : b[i];
      ASSERT_TRUE(SameBits(y[i], want) || (std::isnan(y[i]) && std::isnan(want))) << probe.name;
    }
    uint32_t less = 0;
    for (int i = 0; i < kWidth; ++i) less |= static_cast<uint32_t>(a[i] < b[i]) << i;
    ASSERT_EQ(probe.less(a, b), less) << probe.name;
  }
}

TEST(VecLanes, StoreSelectedKeepsOrderForEveryMask) {
  int32_t x[kWidth], y[2 * kWidth];
  for (int i = 0; i < kWidth; ++i) x[i] = 100 + i;
  for (const VecProbe& probe : UsableProbes()) {
    for (uint32_t lanes = 0; lanes < 65536; lanes += lanes < 512 ? 1 : 13) {
      const int64_t count = probe.store_selected(x, lanes, y);
      ASSERT_EQ(count, std::popcount(lanes)) << probe.name;
      int64_t place = 0;
      for (int i = 0; i < kWidth; ++i) {
        if ((lanes >> i & 1u) != 0) {
          ASSERT_EQ(y[place++], x[i]) << probe.name << " mask " << lanes;
        }
      }
    }
  }
}

TEST(VecMemory, PartialLoadsReadNothingBeyondTheCount) {
  for (const VecProbe& probe : UsableProbes()) {
    for (int64_t count = 0; count <= kWidth; ++count) {
      // Heap memory of just this size, so that a sanitizer sees an overrun.
      std::vector<float> x(static_cast<size_t>(count), 2.0f);
      std::vector<BFloat16> halves(static_cast<size_t>(count), BFloat16(3.0f));
      float y[kWidth], z[kWidth];
      probe.load_partial(x.data(), count, -1.0f, y);
      probe.load_partial_bf16(halves.data(), count, -kInfinity, z);
      for (int64_t i = 0; i < kWidth; ++i) {
        ASSERT_EQ(y[i], i < count ? 2.0f : -1.0f) << probe.name << " count " << count;
        ASSERT_EQ(z[i], i < count ? 3.0f : -kInfinity) << probe.name << " count " << count;
      }
    }
  }
}

TEST(VecMemory, PartialStoresWriteNothingBeyondTheCount) {
  float x[kWidth];
  for (int i = 0; i < kWidth; ++i) x[i] = static_cast<float>(i);
  for (const VecProbe& probe : UsableProbes()) {
    for (int64_t count = 0; count <= kWidth; ++count) {
      std::vector<float> y(kWidth, -5.0f);
      std::vector<BFloat16> z(kWidth, BFloat16(-5.0f));
      probe.store_partial(x, count, y.data());
      probe.store_partial_bf16(x, count, z.data());
      for (int64_t i = 0; i < kWidth; ++i) {
        const float want = i < count ? static_cast<float>(i) : -5.0f;
        ASSERT_EQ(y[static_cast<size_t>(i)], want) << probe.name << " count " << count;
        ASSERT_EQ(static_cast<float>(z[static_cast<size_t>(i)]), want) << probe.name;
      }
    }
  }
}

}  // namespace
}  // namespace tandem
