// LogSoftmaxStatistics, PickLogProbs and TopIds of kernels/sampling.h.

#include <limits>
#include <numeric>

#include "kernels/sampling.h"
#include "tests/kernels/row_ops.h"
#include "tests/support/ops/sampling_ops.h"

namespace tandem {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<RowStatistics> Statistics(Context& context, ConstTensorView logits,
                                      float temperature = 1.0f) {
  Tensor statistics(DType::kF32, {logits.dim(0), 2});
  LogSoftmaxStatistics(context,
                       {.logits = logits, .temperature = temperature, .statistics = statistics});
  std::vector<RowStatistics> out;
  for (int64_t row = 0; row < logits.dim(0); ++row) out.push_back(StatisticsOf(statistics, row));
  return out;
}

TEST(LogSoftmaxStatistics, AgreeWithDoublePrecision) {
  for (const int64_t vocab : {1, 2, 15, 16, 17, 1000, 6400, 151936}) {
    for (const float scale : {0.01f, 1.0f, 8.0f}) {
      for (const float temperature : {1.0f, 0.7f}) {
        const Tensor logits = NormalTensor({2, vocab}, 51, scale);
        OpContext context;
        const auto got = Statistics(context, logits, temperature);
        for (int64_t row = 0; row < 2; ++row) {
          const float* values = logits.view().data<float>() + row * vocab;
          const double want =
              LogSumExp({values, static_cast<size_t>(vocab)}, static_cast<double>(temperature));
          for (const int64_t id : {int64_t{0}, vocab / 2, vocab - 1}) {
            const double log_prob =
                static_cast<double>(values[id]) / static_cast<double>(temperature) - want;
            ASSERT_NEAR(got[static_cast<size_t>(row)].LogProb(values[id] / temperature), log_prob,
                        1e-5)
                << vocab << " " << scale;
          }
        }
      }
    }
  }
}

TEST(LogSoftmaxStatistics, AreTheSameBitsEverywhereAndAlone) {
  const Tensor logits = NormalTensor({40, 3001}, 52, 3.0f);
  const Tensor batch = SameEverywhere([&](Context& context) {
    Tensor out(DType::kF32, {40, 2});
    LogSoftmaxStatistics(context, {.logits = logits, .statistics = out});
    return out;
  });
  OpContext context;
  for (int64_t row = 0; row < 40; ++row) {
    const auto alone = Statistics(context, logits.view().Rows(row, 1));
    EXPECT_EQ(alone[0].max, batch.data<float>()[2 * row]);
    EXPECT_EQ(alone[0].log_sum, batch.data<float>()[2 * row + 1]);
  }
}

TEST(LogSoftmaxStatistics, AllowMinusInfinity) {
  Tensor logits = NormalTensor({1, 100}, 53);
  float* values = logits.data<float>();
  for (int64_t i = 0; i < 100; i += 3) values[i] = -kInfinity;
  OpContext context;
  const RowStatistics got = Statistics(context, logits)[0];
  EXPECT_TRUE(got.finite());
  EXPECT_EQ(got.LogProb(values[0]), -kInfinity);
  EXPECT_NEAR(got.LogProb(values[1]), static_cast<double>(values[1]) - LogSumExp({values, 100}, 1),
              1e-5);
}

TEST(LogSoftmaxStatistics, SeeRowsThatAreNotFinite) {
  OpContext context;
  for (const float fault : {std::nanf(""), kInfinity}) {
    for (const int64_t place : {0, 63, 64, 130, 198}) {
      Tensor logits = NormalTensor({3, 199}, 54);
      logits.data<float>()[199 + place] = fault;
      const auto got = Statistics(context, logits);
      EXPECT_TRUE(got[0].finite());
      EXPECT_FALSE(got[1].finite()) << place;
      EXPECT_TRUE(got[2].finite());
    }
  }
  Tensor nothing(DType::kF32, {1, 10});
  std::fill_n(nothing.data<float>(), 10, -kInfinity);
  EXPECT_FALSE(Statistics(context, nothing)[0].finite());
}

TEST(PickLogProbs, AreTheStatisticsOwn) {
  const Tensor logits = NormalTensor({3, 50}, 56);
  OpContext context;
  Tensor statistics(DType::kF32, {3, 2}), log_probs(DType::kF32, {3, 4});
  LogSoftmaxStatistics(context, {.logits = logits, .statistics = statistics});
  const std::vector<int32_t> picked = {0, 49, 7, 7, 1, 2, 3, 4, 5, 48, 0, 31};
  PickLogProbs(context, {.logits = logits,
                         .statistics = statistics,
                         .ids = Integers(picked, {3, 4}),
                         .log_probs = log_probs});
  for (int64_t i = 0; i < 12; ++i) {
    const float logit = logits.data<float>()[i / 4 * 50 + picked[static_cast<size_t>(i)]];
    EXPECT_EQ(log_probs.data<float>()[i], StatisticsOf(statistics, i / 4).LogProb(logit));
  }
}

TEST(PickLogProbs, AreNaNOfNoIdAndInARowThatIsNotFinite) {
  Tensor logits = NormalTensor({2, 10}, 57);
  logits.data<float>()[13] = kInfinity;
  OpContext context;
  Tensor statistics(DType::kF32, {2, 2}), log_probs(DType::kF32, {2, 3});
  LogSoftmaxStatistics(context, {.logits = logits, .statistics = statistics});
  PickLogProbs(context, {.logits = logits,
                         .statistics = statistics,
                         .ids = Integers({-1, 10, 4, 0, 3, 9}, {2, 3}),
                         .log_probs = log_probs});
  for (int64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(std::isnan(log_probs.data<float>()[i]), i != 2) << i;
  }
}

std::vector<int32_t> TopIdsOf(const std::vector<float>& logits, int64_t count) {
  OpContext context;
  Tensor ids(DType::kI32, {1, count});
  const auto vocab = static_cast<int64_t>(logits.size());
  TopIds(context, {.logits = ConstTensorView(logits.data(), {1, vocab}), .ids = ids});
  return {ids.data<int32_t>(), ids.data<int32_t>() + count};
}

TEST(TopIds, AreTheFirstOfAStableDescendingSort) {
  std::mt19937 generator(55);
  for (const int64_t vocab : {1, 5, 16, 100, 6400}) {
    for (const float step : {0.0f, 0.25f}) {  // 0.25: many ties
      std::vector<float> logits(static_cast<size_t>(vocab));
      std::normal_distribution<float> normal(0.0f, 2.0f);
      for (float& logit : logits) {
        logit = normal(generator);
        if (step > 0) logit = std::round(logit / step) * step;
      }
      std::vector<int32_t> want(logits.size());
      std::iota(want.begin(), want.end(), 0);
      std::stable_sort(want.begin(), want.end(), [&](int32_t a, int32_t b) {
        return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
      });
      for (const int64_t count : {int64_t{0}, int64_t{1}, std::min<int64_t>(vocab, 20), vocab}) {
        EXPECT_EQ(TopIdsOf(logits, count),
                  std::vector<int32_t>(want.begin(), want.begin() + count));
      }
    }
  }
}

TEST(TopIds, PutNaNWithMinusInfinity) {
  const std::vector<float> logits = {std::nanf(""), 1.0f, -kInfinity, std::nanf(""), 2.0f};
  EXPECT_EQ(TopIdsOf(logits, 5), (std::vector<int32_t>{4, 1, 0, 2, 3}));
  EXPECT_EQ(TopIdsOf(logits, 2), (std::vector<int32_t>{4, 1}));
}

TEST(TopIds, RefusesMoreThanThereAre) {
  const std::vector<float> logits = {1.0f};
  EXPECT_THROW(TopIdsOf(logits, 2), InternalError);
}

}  // namespace
}  // namespace tandem
