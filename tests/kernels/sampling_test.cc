#include "kernels/sampling.h"

#include "tests/kernels/row_ops.h"
#include "tests/support/ops/sampling_reference.h"

namespace tandem {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

int32_t SampleOne(Context& context, std::span<const float> logits, const SampleRow& row) {
  int32_t id = -2;
  const auto vocab = static_cast<int64_t>(logits.size());
  Sample(context, {.logits = ConstTensorView(logits.data(), {1, vocab}),
                   .rows = {&row, 1},
                   .ids = TensorView(&id, {1})});
  return id;
}

int32_t SampleOne(std::span<const float> logits, const SampleRow& row) {
  OpContext context;
  return SampleOne(context, logits, row);
}

std::vector<int32_t> SampleAll(Context& context, ConstTensorView logits,
                               std::span<const SampleRow> rows) {
  std::vector<int32_t> ids(rows.size());
  const TensorView out(ids.data(), {static_cast<int64_t>(ids.size())});
  Sample(context, {.logits = logits, .rows = rows, .ids = out});
  return ids;
}

// Random settings, each field on in about half of the cases. Owns what the row borrows.
struct RandomCase {
  std::vector<float> logits;
  std::vector<int32_t> prompt, output, banned;
  std::vector<LogitBias> bias;
  SampleRow row;

  RandomCase(uint64_t seed, int64_t vocab) {
    std::mt19937_64 generator(seed);
    const auto flip = [&] { return generator() % 2 == 0; };
    const auto uniform = [&](float low, float high) {
      return std::uniform_real_distribution<float>(low, high)(generator);
    };
    const auto id = [&] {
      return static_cast<int32_t>(generator() % static_cast<uint64_t>(vocab));
    };
    std::normal_distribution<float> normal(0.0f, uniform(0.05f, 6.0f));
    const bool coarse = generator() % 4 == 0;  // many equal logits
    for (int64_t i = 0; i < vocab; ++i) {
      const float value = normal(generator);
      logits.push_back(coarse ? std::round(value) : value);
    }
    if (generator() % 4 == 0) {
      for (int64_t i = 0; i < vocab / 3; ++i) logits[static_cast<size_t>(id())] = -kInfinity;
    }
    row.temperature = generator() % 8 == 0 ? 0.0f : uniform(0.2f, 2.0f);
    if (flip())
      row.top_k = 1 + static_cast<int32_t>(generator() % static_cast<uint64_t>(vocab + 5));
    if (flip() && vocab > 60) row.top_k = 1 + static_cast<int32_t>(generator() % 60);
    if (flip()) row.top_p = uniform(0.01f, 1.0f);
    if (generator() % 4 == 0) row.min_p = uniform(0.0f, 0.5f);
    if (flip()) AddPenalties(generator, id, uniform);
    row.key = {.seed = seed, .position = generator() % 1000};
  }

  void AddPenalties(std::mt19937_64& generator, auto id, auto uniform) {
    for (int i = 0; i < 30; ++i) prompt.push_back(id());
    for (int i = 0; i < 30; ++i) output.push_back(id());
    for (int i = 0; i < 5; ++i) output.push_back(output[0]);
    bias = {{id(), uniform(-3.0f, 3.0f)}, {id(), 1.5f}};
    if (generator() % 2 == 0) banned = {id(), id(), id()};
    row.repetition_penalty = generator() % 2 == 0 ? uniform(0.7f, 1.8f) : 1.0f;
    row.frequency_penalty = generator() % 2 == 0 ? uniform(-1.0f, 1.0f) : 0.0f;
    row.presence_penalty = generator() % 2 == 0 ? uniform(-1.0f, 1.0f) : 0.0f;
    row.prompt = prompt;
    row.output = output;
    row.bias = bias;
    row.banned = banned;
  }
};

TEST(Sample, FollowsTheStatedSemanticsOnRandomCases) {
  OpContext context;
  int num_certain = 0, num_cases = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    const int64_t sizes[] = {1, 2, 15, 16, 17, 61, 257, 1000, 3001};
    const RandomCase random(seed, sizes[seed % 9]);
    const ReferenceDraw want = ReferenceSampler(random.logits, random.row).Draw();
    const int32_t got = SampleOne(context, random.logits, random.row);
    ++num_cases;
    if (want.certain) ++num_certain;
    if (want.certain) {
      ASSERT_EQ(got, want.id) << "seed " << seed;
    }
    ASSERT_LT(got, static_cast<int32_t>(random.logits.size()));
  }
  EXPECT_GT(num_certain, num_cases * 9 / 10);
}

TEST(Sample, FollowsTheStatedSemanticsOnLargeVocabularies) {
  OpContext context;
  int num_certain = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const RandomCase random(seed + 5000, seed % 4 == 0 ? 32003 : 6400);
    const ReferenceDraw want = ReferenceSampler(random.logits, random.row).Draw();
    const int32_t got = SampleOne(context, random.logits, random.row);
    if (want.certain) {
      ASSERT_EQ(got, want.id) << "seed " << seed;
    }
    num_certain += want.certain;
  }
  EXPECT_GT(num_certain, 25);
}

TEST(Sample, IsTheSameEverywhere) {
  constexpr int64_t kRows = 48, kVocab = 6400;
  Tensor logits(DType::kF32, {kRows, kVocab});
  std::vector<RandomCase> cases;
  std::vector<SampleRow> rows;
  for (uint64_t seed = 0; seed < kRows; ++seed) {
    cases.emplace_back(seed + 9000, kVocab);
    std::copy(cases.back().logits.begin(), cases.back().logits.end(),
              logits.data<float>() + static_cast<int64_t>(seed) * kVocab);
  }
  for (const RandomCase& one : cases) rows.push_back(one.row);
  const Tensor batch = SameEverywhere([&](Context& context) {
    Tensor ids(DType::kI32, {kRows});
    Sample(context, {.logits = logits, .rows = rows, .ids = ids});
    return ids;
  });
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(SampleOne(cases[i].logits, cases[i].row), batch.data<int32_t>()[i])
        << "alone, row " << i;
  }
}

TEST(Sample, LeavesTheLogitsUnchanged) {
  const RandomCase random(17, 1000);
  std::vector<float> logits = random.logits;
  SampleRow row = random.row;
  row.banned = random.prompt;
  SampleOne(logits, row);
  EXPECT_EQ(logits, random.logits);
}

// Chi-square of drawn counts against probabilities; 5 standard deviations of its distribution.
void ExpectDistribution(std::span<const float> logits, SampleRow row,
                        const std::vector<double>& want) {
  constexpr int64_t kDraws = 40000;
  const auto vocab = static_cast<int64_t>(logits.size());
  Tensor repeated(DType::kF32, {kDraws, vocab});
  std::vector<SampleRow> rows;
  for (int64_t i = 0; i < kDraws; ++i) {
    std::copy(logits.begin(), logits.end(), repeated.data<float>() + i * vocab);
    row.key = {.seed = 99, .position = static_cast<uint64_t>(i)};
    rows.push_back(row);
  }
  OpContext context;
  const std::vector<int32_t> ids = SampleAll(context, repeated, rows);
  std::vector<int64_t> counts(logits.size(), 0);
  for (const int32_t id : ids) ++counts[static_cast<size_t>(id)];
  double chi_square = 0, degrees = -1;
  for (size_t i = 0; i < want.size(); ++i) {
    if (want[i] == 0) {
      ASSERT_EQ(counts[i], 0) << i;
      continue;
    }
    const double expected = want[i] * kDraws;
    chi_square += (static_cast<double>(counts[i]) - expected) *
                  (static_cast<double>(counts[i]) - expected) / expected;
    degrees += 1;
  }
  EXPECT_LT(chi_square, degrees + 5 * std::sqrt(2 * degrees));
}

std::vector<double> Normalised(std::vector<double> p) {
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= sum;
  return p;
}

TEST(Sample, DrawsByTheProbabilities) {
  std::vector<float> logits;
  std::vector<double> p;
  for (int i = 0; i < 40; ++i) {
    logits.push_back(1.5f * std::sin(static_cast<float>(i)));
    p.push_back(std::exp(static_cast<double>(logits.back()) / static_cast<double>(0.8f)));
  }
  ExpectDistribution(logits, {.temperature = 0.8f}, Normalised(p));
}

TEST(Sample, DrawsFromWhatTruncationLeaves) {
  // Probabilities 8, 4, 2, 1, 1 of 16 at ids 3, 1, 4, 0, 2.
  const std::vector<float> logits = {0.0f, std::log(4.0f), 0.0f, std::log(8.0f), std::log(2.0f)};
  ExpectDistribution(logits, {.top_k = 3}, {0, 4 / 14.0, 0, 8 / 14.0, 2 / 14.0});
  ExpectDistribution(logits, {.top_k = 4}, {1 / 15.0, 4 / 15.0, 0, 8 / 15.0, 2 / 15.0});
  ExpectDistribution(logits, {.top_p = 0.7f}, {0, 4 / 12.0, 0, 8 / 12.0, 0});
  ExpectDistribution(logits, {.top_p = 0.9f}, {1 / 15.0, 4 / 15.0, 0, 8 / 15.0, 2 / 15.0});
  ExpectDistribution(logits, {.min_p = 0.2f}, {0, 4 / 14.0, 0, 8 / 14.0, 2 / 14.0});
  // top-p of what top-k left: 8 / 14 is below 0.58, 12 / 14 is above.
  ExpectDistribution(logits, {.top_k = 3, .top_p = 0.58f}, {0, 4 / 12.0, 0, 8 / 12.0, 0});
}

TEST(Sample, TopPKeepsTheFirstAlways) {
  const std::vector<float> logits = {0.0f, 2.0f, 1.0f};
  for (const float top_p : {0.0f, 1e-9f, 0.3f}) {
    for (uint64_t position = 0; position < 50; ++position) {
      ASSERT_EQ(SampleOne(logits, {.top_p = top_p, .key = {.seed = 1, .position = position}}), 1);
    }
  }
}

TEST(Sample, EqualProbabilitiesAtACutGoToTheLowerIds) {
  for (const int64_t vocab : {40, 1000}) {
    const std::vector<float> logits(static_cast<size_t>(vocab), 0.5f);
    const float top_p = 7.0f / static_cast<float>(vocab) - 1e-6f;
    std::set<int32_t> by_k, by_p;
    OpContext context;
    for (uint64_t position = 0; position < 300; ++position) {
      const RandomKey key{.seed = 2, .position = position};
      by_k.insert(SampleOne(context, logits, {.top_k = 7, .key = key}));
      by_p.insert(SampleOne(context, logits, {.top_p = top_p, .key = key}));
    }
    const std::set<int32_t> lowest = {0, 1, 2, 3, 4, 5, 6};
    EXPECT_EQ(by_k, lowest);
    EXPECT_EQ(by_p, lowest);
  }
}

TEST(Sample, GreedyTakesTheLowerOfEqualLogits) {
  std::vector<float> logits(3000, 0.0f);
  logits[2047] = logits[2048] = logits[70] = 4.0f;
  EXPECT_EQ(SampleOne(logits, {.temperature = 0.0f}), 70);
  const std::vector<int32_t> banned = {70};
  SampleRow row{.temperature = 0.0f};
  row.banned = banned;
  EXPECT_EQ(SampleOne(logits, row), 2047);
  EXPECT_EQ(SampleOne(logits, {.top_k = 1}), 70);
}

TEST(Sample, TinyTemperatureIsGreedy) {
  const std::vector<float> logits = {0.5f, 2.0f, 1.999f, -kInfinity};
  for (const float temperature : {1e-5f, 1e-30f, 1e-40f}) {
    EXPECT_EQ(SampleOne(logits, {.temperature = temperature}), 1) << temperature;
  }
}

TEST(Sample, HugeTemperatureDrawsAnyOfWhatIsNotBanned) {
  const std::vector<float> logits = {0.5f, -kInfinity, 2.0f, -40.0f};
  std::set<int32_t> drawn;
  for (uint64_t position = 0; position < 60; ++position) {
    drawn.insert(
        SampleOne(logits, {.temperature = 3e38f, .key = {.seed = 5, .position = position}}));
  }
  EXPECT_EQ(drawn, (std::set<int32_t>{0, 2, 3}));
}

TEST(Sample, NeverDrawsWhatHasNoProbability) {
  std::vector<float> logits(100, -kInfinity);
  logits[17] = -5.0f;
  logits[93] = -5.0f;
  std::set<int32_t> drawn;
  for (uint64_t position = 0; position < 60; ++position) {
    drawn.insert(SampleOne(logits, {.top_k = 50, .key = {.seed = 3, .position = position}}));
  }
  EXPECT_EQ(drawn, (std::set<int32_t>{17, 93}));
}

TEST(Sample, RowsThatAreNotFiniteOrAllBannedGetMinusOne) {
  for (const float fault : {std::nanf(""), kInfinity}) {
    for (const size_t place : {0u, 5u, 998u, 1999u}) {
      std::vector<float> logits(2000, 0.25f);
      logits[place] = fault;
      const std::vector<int32_t> banned = {static_cast<int32_t>(place)};
      EXPECT_EQ(SampleOne(logits, {.temperature = 0.0f}), -1);
      EXPECT_EQ(SampleOne(logits, {}), -1);
      EXPECT_EQ(SampleOne(logits, {.top_k = 5}), -1);
      EXPECT_EQ(SampleOne(logits, {.banned = banned}), -1) << "a ban must not hide the fault";
    }
  }
  const std::vector<float> nothing(20, -kInfinity);
  EXPECT_EQ(SampleOne(nothing, {.temperature = 0.0f}), -1);
  EXPECT_EQ(SampleOne(nothing, {}), -1);
  const std::vector<float> two = {1.0f, 2.0f};
  const std::vector<int32_t> both = {0, 1};
  EXPECT_EQ(SampleOne(two, {.banned = both}), -1);
  EXPECT_EQ(SampleOne(two, {.temperature = 0.0f, .banned = both}), -1);
}

TEST(Sample, OneBadRowDoesNotTouchItsNeighbours) {
  Tensor logits = NormalTensor({3, 50}, 41);
  std::vector<SampleRow> rows(3, {.key = {.seed = 4}});
  OpContext context;
  const std::vector<int32_t> good = SampleAll(context, logits, rows);
  logits.data<float>()[50 + 7] = std::nanf("");
  const std::vector<int32_t> got = SampleAll(context, logits, rows);
  EXPECT_EQ(got, (std::vector<int32_t>{good[0], -1, good[2]}));
}

TEST(Sample, RepetitionPenaltyCountsAnIdOnce) {
  // 3 / 1.6 = 1.875 stays above 1.7; applied twice it would fall to 1.17.
  const std::vector<float> logits = {3.0f, 1.7f, -1.0f};
  const std::vector<int32_t> prompt = {0, 0}, output = {0};
  SampleRow row{.temperature = 0.0f, .repetition_penalty = 1.6f};
  row.prompt = prompt;
  row.output = output;
  EXPECT_EQ(SampleOne(logits, row), 0);
  row.repetition_penalty = 1.8f;
  EXPECT_EQ(SampleOne(logits, row), 1);
}

TEST(Sample, RepetitionPenaltyPushesNegativeLogitsDown) {
  const std::vector<float> logits = {-1.0f, -1.5f};
  const std::vector<int32_t> prompt = {0};
  SampleRow row{.temperature = 0.0f, .repetition_penalty = 2.0f};
  row.prompt = prompt;
  EXPECT_EQ(SampleOne(logits, row), 1);
}

TEST(Sample, FrequencyAndPresenceCountOutputAlone) {
  const std::vector<float> logits = {2.0f, 1.0f};
  const std::vector<int32_t> zeros = {0, 0, 0};
  SampleRow row{.temperature = 0.0f, .frequency_penalty = 0.4f};
  row.prompt = zeros;
  EXPECT_EQ(SampleOne(logits, row), 0);
  row.output = zeros;
  EXPECT_EQ(SampleOne(logits, row), 1);  // 2 - 3 * 0.4
  row.frequency_penalty = 0.0f;
  row.presence_penalty = 0.9f;
  EXPECT_EQ(SampleOne(logits, row), 0);  // 2 - 0.9, once
  row.presence_penalty = 1.1f;
  EXPECT_EQ(SampleOne(logits, row), 1);
}

TEST(Sample, RefusesIdsOutsideTheVocabulary) {
  const std::vector<float> logits = {2.0f, 1.0f};
  const std::vector<int32_t> outside = {2}, negative = {-1};
  const std::vector<LogitBias> bias = {{5, 1.0f}};
  EXPECT_THROW(SampleOne(logits, {.repetition_penalty = 2.0f, .prompt = outside}), InternalError);
  EXPECT_THROW(SampleOne(logits, {.presence_penalty = 2.0f, .output = negative}), InternalError);
  EXPECT_THROW(SampleOne(logits, {.bias = bias}), InternalError);
  EXPECT_THROW(SampleOne(logits, {.banned = outside}), InternalError);
}

TEST(Sample, AllocatesNothingOnceWarm) {
  OpContext context(BestInstructionSet(), 2);
  const Tensor logits = NormalTensor({8, 6400}, 42);
  const std::vector<SampleRow> rows(8, {.top_k = 50, .top_p = 0.9f});
  SampleAll(context, logits, rows);
  const int64_t held = context.workspace().size_bytes();
  for (int i = 0; i < 5; ++i) SampleAll(context, logits, rows);
  EXPECT_EQ(context.workspace().size_bytes(), held);
}

TEST(Sample, TakesNoRows) {
  OpContext context;
  const Tensor logits(DType::kF32, {0, 100});
  EXPECT_NO_THROW(SampleAll(context, logits, {}));
}

}  // namespace
}  // namespace tandem
