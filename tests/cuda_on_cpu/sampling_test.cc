// The CUDA kernels of kernels/sampling.h and kernels/cross_entropy.h against the CPU's: tokens are
// the same, and so are the bits of statistics, losses and gradients, whatever the rows beside them.

#include "kernels/sampling.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "kernels/core/error.h"
#include "kernels/cross_entropy_block.h"
#include "tests/cuda_on_cpu/on_cuda.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class CudaSampling : public OnCuda {
 protected:
  static std::vector<int32_t> Draw(Context& context, ConstTensorView logits,
                                   std::span<const SampleRow> rows) {
    std::vector<int32_t> ids(rows.size(), -7);
    const TensorView out(ids.data(), {static_cast<int64_t>(ids.size())});
    Sample(context, {.logits = logits, .rows = rows, .ids = out});
    return ids;
  }
  static Tensor Statistics(Context& context, ConstTensorView logits, float temperature = 1.0f) {
    Tensor out(DType::kF32, {logits.dim(0), 2});
    LogSoftmaxStatistics(context,
                         {.logits = logits, .temperature = temperature, .statistics = out});
    return out;
  }
  static std::vector<int32_t> Best(Context& context, ConstTensorView logits, int64_t count) {
    std::vector<int32_t> ids(static_cast<size_t>(logits.dim(0) * count), -7);
    TopIds(context, {.logits = logits, .ids = TensorView(ids.data(), {logits.dim(0), count})});
    return ids;
  }
};

// Equal bits, any NaN for any NaN.
void ExpectSameFloats(ConstTensorView got, ConstTensorView want, const std::string& what) {
  ASSERT_EQ(got.num_elements(), want.num_elements());
  for (int64_t i = 0; i < got.num_elements(); ++i) {
    const double g = ElementAsDouble(got, i), w = ElementAsDouble(want, i);
    if (!(g == w || (std::isnan(g) && std::isnan(w)))) {
      ADD_FAILURE() << what << ": element " << i << " is " << g << ", not " << w;
      return;
    }
  }
}

// Logits and settings of many kinds. Owns what its rows borrow.
struct RandomRows {
  std::mt19937_64 generator;
  int64_t vocab;
  Tensor logits;
  std::vector<SampleRow> rows;
  std::vector<std::vector<int32_t>> ids;
  std::vector<std::vector<LogitBias>> biases;

  RandomRows(uint64_t seed, int64_t num_rows, int64_t vocab_size)
      : generator(seed), vocab(vocab_size), logits(DType::kF32, {num_rows, vocab_size}) {
    for (int64_t row = 0; row < num_rows; ++row) {
      FillRow(logits.data<float>() + row * vocab);
      AddSettings(static_cast<uint64_t>(row));
    }
  }

  bool OneIn(uint64_t n) { return generator() % n == 0; }
  float Uniform(float low, float high) {
    return std::uniform_real_distribution<float>(low, high)(generator);
  }
  int32_t Id() { return static_cast<int32_t>(generator() % static_cast<uint64_t>(vocab)); }
  std::span<const int32_t> Ids(int count) {
    std::vector<int32_t>& list = ids.emplace_back();
    for (int i = 0; i < count; ++i) list.push_back(OneIn(4) && i > 0 ? list.front() : Id());
    return list;
  }

  void FillRow(float* row) {
    std::normal_distribution<float> normal(0.0f, Uniform(0.05f, 6.0f));
    const bool coarse = OneIn(4);  // many equal logits
    const bool flat = OneIn(12);   // nothing but
    for (int64_t i = 0; i < vocab; ++i) {
      const float value = normal(generator);
      row[i] = flat ? 0.25f : coarse ? std::round(value) : value;
    }
    if (OneIn(4)) {
      for (int64_t i = 0; i < vocab / 3; ++i) row[Id()] = -kInfinity;
    }
    if (OneIn(20)) std::fill_n(row, vocab, -kInfinity);
    if (OneIn(20)) row[Id()] = OneIn(2) ? kInfinity : std::nanf("");
  }

  void AddSettings(uint64_t position) {
    SampleRow& row = rows.emplace_back();
    row.temperature = OneIn(8) ? 0.0f : Uniform(0.2f, 2.0f);
    if (OneIn(16)) row.temperature = OneIn(2) ? 1e-5f : 1e-40f;
    if (OneIn(16)) row.temperature = OneIn(2) ? 1e4f : 3e38f;
    if (OneIn(3)) row.top_k = 1 + static_cast<int32_t>(generator() % 60);
    if (OneIn(6)) row.top_k = 1 + Id() + 5;
    if (OneIn(2)) row.top_p = Uniform(0.01f, 1.0f);
    if (OneIn(10)) row.top_p = OneIn(2) ? 0.0f : 0.9999f;
    if (OneIn(3)) row.min_p = OneIn(4) ? 1.0f : Uniform(0.0f, 0.3f);
    if (OneIn(3)) row.repetition_penalty = Uniform(0.7f, 1.8f);
    if (OneIn(3)) row.frequency_penalty = Uniform(-1.0f, 1.0f);
    if (OneIn(3)) row.presence_penalty = Uniform(-1.0f, 1.0f);
    row.prompt = Ids(30);
    row.output = Ids(40);
    if (OneIn(3)) {
      std::vector<LogitBias>& bias = biases.emplace_back();
      for (int i = 0; i < 8; ++i)
        bias.push_back({OneIn(3) && i > 0 ? bias[0].id : Id(), Uniform(-3, 3)});
      if (OneIn(6)) bias.push_back({Id(), OneIn(2) ? kInfinity : -kInfinity});
      row.bias = bias;
    }
    if (OneIn(3)) row.banned = Ids(5);
    if (OneIn(20)) {
      std::vector<int32_t>& all = ids.emplace_back(static_cast<size_t>(vocab));
      std::iota(all.begin(), all.end(), 0);
      row.banned = all;
    }
    row.key = {.seed = generator(), .position = position};
  }
};

TEST_F(CudaSampling, DrawsTheTokensOfTheCpu) {
  const struct { int64_t vocab, rows; } shapes[] = {{7, 150}, {300, 100}, {6400, 70}, {20000, 4}};
  for (const auto& shape : shapes) {
    const RandomRows random(static_cast<uint64_t>(shape.vocab), shape.rows, shape.vocab);
    const std::vector<int32_t> want = Draw(on_cpu_, random.logits, random.rows);
    EXPECT_EQ(Draw(on_cuda_, random.logits, random.rows), want) << "vocabulary " << shape.vocab;
    EXPECT_TRUE(std::any_of(want.begin(), want.end(), [](int32_t id) { return id > 0; }));
  }
}

TEST_F(CudaSampling, DrawsTheSameTokensInEverySchedule) {
  const RandomRows random(3, 30, 1000);
  const std::vector<int32_t> want = Draw(on_cpu_, random.logits, random.rows);
  for (const cuda_on_cpu::Schedule& schedule : AllSchedules()) {
    cuda_on_cpu::SetSchedule(schedule);
    EXPECT_EQ(Draw(on_cuda_, random.logits, random.rows), want) << Describe(schedule);
  }
}

TEST_F(CudaSampling, DrawsFromALargeVocabulary) {
  const RandomRows random(5, 3, 151936);
  std::vector<SampleRow> rows = random.rows;
  rows[0] = {.top_k = 50, .top_p = 0.9f, .key = {.seed = 1}};
  rows[1].repetition_penalty = 1.2f;
  EXPECT_EQ(Draw(on_cuda_, random.logits, rows), Draw(on_cpu_, random.logits, rows));
}

TEST_F(CudaSampling, DrawsARowAloneAsInABatch) {
  const RandomRows random(8, 90, 257);  // more than one launch
  const std::vector<int32_t> all = Draw(on_cuda_, random.logits, random.rows);
  for (const size_t row : {0u, 1u, 17u, 63u, 64u, 89u}) {
    EXPECT_EQ(Draw(on_cuda_, random.logits.view().Rows(static_cast<int64_t>(row), 1),
                   std::span(random.rows).subspan(row, 1)),
              std::vector<int32_t>{all[row]})
        << row;
  }
}

// Every draw of a row, not the one that a seed happens to make: ties at the cuts, and their order.
TEST_F(CudaSampling, CutsWhereTheCpuCuts) {
  Tensor logits(DType::kF32, {60, 900});
  std::vector<SampleRow> rows;
  std::mt19937 generator(9);
  for (int64_t row = 0; row < 60; ++row) {
    for (int64_t i = 0; i < 900; ++i) {
      // At most eight different weights: hundreds of ties.
      logits.data<float>()[row * 900 + i] = 0.5f * static_cast<float>(generator() % 8);
    }
    rows.push_back({.key = {.seed = 9, .position = static_cast<uint64_t>(row)}});
    if (row % 3 != 0) rows.back().top_k = static_cast<int32_t>(1 + generator() % 899);
    if (row % 3 != 1) rows.back().top_p = static_cast<float>(generator() % 1000) / 1000.0f;
  }
  EXPECT_EQ(Draw(on_cuda_, logits, rows), Draw(on_cpu_, logits, rows));
}

TEST_F(CudaSampling, RefusesIdsOutsideTheVocabulary) {
  const Tensor logits(DType::kF32, {1, 2});
  const std::vector<int32_t> outside = {2}, negative = {-1};
  const std::vector<LogitBias> bias = {{5, 1.0f}};
  const auto draw = [&](const SampleRow& row) { Draw(on_cuda_, logits, {&row, 1}); };
  EXPECT_THROW(draw({.repetition_penalty = 2.0f, .prompt = outside}), InternalError);
  EXPECT_THROW(draw({.presence_penalty = 2.0f, .output = negative}), InternalError);
  EXPECT_THROW(draw({.bias = bias}), InternalError);
  EXPECT_THROW(draw({.banned = outside}), InternalError);
}

TEST_F(CudaSampling, StatisticsAreTheBitsOfTheCpu) {
  for (const int64_t vocab : {1, 15, 17, 1000, 1024, 1025, 6400, 40000}) {
    RandomRows random(static_cast<uint64_t>(vocab), vocab > 10000 ? 4 : 12, vocab);
    for (const float temperature : {1.0f, 0.7f}) {
      const Tensor all = Statistics(on_cuda_, random.logits, temperature);
      ExpectSameFloats(all, Statistics(on_cpu_, random.logits, temperature),
                       "vocabulary " + std::to_string(vocab));
      ExpectSameFloats(Statistics(on_cuda_, random.logits.view().Rows(1, 1), temperature),
                       all.view().Rows(1, 1), "a row alone");
    }
  }
}

TEST_F(CudaSampling, TopIdsAreThoseOfTheCpu) {
  for (const int64_t vocab : {1, 5, 40, 300, 6400}) {
    const RandomRows random(static_cast<uint64_t>(vocab + 1), 12, vocab);  // NaN and ties too
    for (const int64_t count :
         {int64_t{1}, std::min<int64_t>(vocab, 20), std::min<int64_t>(vocab, 300)}) {
      const std::vector<int32_t> all = Best(on_cuda_, random.logits, count);
      EXPECT_EQ(all, Best(on_cpu_, random.logits, count)) << count << " of " << vocab;
      const auto third = all.begin() + 2 * count;
      EXPECT_EQ(Best(on_cuda_, random.logits.view().Rows(2, 1), count),
                std::vector<int32_t>(third, third + count));
    }
  }
}

TEST_F(CudaSampling, TopIdsPutNaNWithMinusInfinity) {
  Tensor logits(DType::kF32, {1, 7});
  const std::vector<float> values = {std::nanf(""), 0.0f,  -kInfinity, -std::nanf(""),
                                     kInfinity,     -0.0f, -1.0f};
  std::copy(values.begin(), values.end(), logits.data<float>());
  EXPECT_EQ(Best(on_cuda_, logits, 7), (std::vector<int32_t>{4, 1, 5, 6, 0, 2, 3}));
}

TEST_F(CudaSampling, PickedLogProbabilitiesAreThoseOfTheCpu) {
  const RandomRows random(4, 6, 50);
  const Tensor statistics = Statistics(on_cpu_, random.logits);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 60; ++i) ids.push_back(i * 7 % 54 - 2);  // some are no ids
  const Tensor picked = Integers(ids, {6, 10});
  const auto pick = [&](Context& context) {
    Tensor out(DType::kF32, {6, 10});
    PickLogProbs(
        context,
        {.logits = random.logits, .statistics = statistics, .ids = picked, .log_probs = out});
    return out;
  };
  ExpectSameFloats(pick(on_cuda_), pick(on_cpu_), "log-probabilities");
}

// Losses and gradients from logits that exist; with rows that are not finite and targets that are
// no ids.
TEST_F(CudaSampling, CrossEntropyOfLogitsIsTheCpus) {
  for (const int64_t vocab : {1, 40, 41, 1000}) {
    const RandomRows random(static_cast<uint64_t>(vocab + 2), 24, vocab);
    const Tensor statistics = Statistics(on_cpu_, random.logits);
    const Tensor weights = RandomTensor({24}, 11);
    std::vector<int32_t> ids;
    for (int32_t i = 0; i < 24; ++i) ids.push_back(static_cast<int32_t>(i * 5 % vocab));
    ids[5] = -1;
    ids[6] = static_cast<int32_t>(vocab);
    ids[7] = std::numeric_limits<int32_t>::min();
    const Tensor targets = Integers(ids, {24});
    const auto losses = [&](Context& context) {
      Tensor out(DType::kF32, {24});
      CrossEntropyLoss(
          context,
          {.logits = random.logits, .statistics = statistics, .targets = targets, .losses = out});
      return out;
    };
    const Tensor want = losses(on_cpu_);
    EXPECT_TRUE(std::isnan(want.data<float>()[5]) && std::isnan(want.data<float>()[6]));
    ExpectSameFloats(losses(on_cuda_), want, "losses");
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      const auto gradient = [&](Context& context) {
        Tensor out = dtype == DType::kF32 ? random.logits.Clone() : Tensor(dtype, {24, vocab});
        const Tensor logits = random.logits.Clone();
        CrossEntropyGradient(context, {.logits = dtype == DType::kF32 ? out.view() : logits.view(),
                                       .statistics = statistics,
                                       .targets = targets,
                                       .weights = weights,
                                       .gradient = out});
        return out;
      };
      ExpectSameFloats(gradient(on_cuda_), gradient(on_cpu_),
                       "gradients, " + std::string(Name(dtype)));
    }
  }
}

}  // namespace
}  // namespace tandem
