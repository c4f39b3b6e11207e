#include "kernels/rope.h"

#include <fstream>
#include <map>
#include <numbers>
#include <sstream>

#include "tests/kernels/row_ops.h"

namespace tandem {
namespace {

struct GoldenCase {
  RopeConfig config;
  double amplitude = 0.0;
  std::vector<double> frequencies;
};

GoldenCase ParseGolden(const std::string& line) {
  std::istringstream in(line);
  std::map<std::string, std::string> fields;
  std::string word;
  while (in >> word && word != ":") {
    const size_t equals = word.find('=');
    fields[word.substr(0, equals)] = word.substr(equals + 1);
  }
  const auto number = [&](const char* key, double absent) {
    return fields.contains(key) ? std::stod(fields[key]) : absent;
  };
  const std::map<std::string, RopeScaling> scalings = {{"", RopeScaling::kNone},
                                                       {"linear", RopeScaling::kLinear},
                                                       {"llama3", RopeScaling::kLlama3},
                                                       {"yarn", RopeScaling::kYarn}};
  GoldenCase result{.config = {.head_dim = static_cast<int64_t>(number("head_dim", 0)),
                               .theta = number("theta", 0),
                               .max_positions = static_cast<int64_t>(number("max_positions", 0)),
                               .scaling = scalings.at(fields["scaling"]),
                               .factor = number("factor", 1),
                               .original_max_positions =
                                   static_cast<int64_t>(number("original_max_positions", 0)),
                               .low_freq_factor = number("low_freq_factor", 1),
                               .high_freq_factor = number("high_freq_factor", 4),
                               .beta_fast = number("beta_fast", 32),
                               .beta_slow = number("beta_slow", 1),
                               .attention_factor = number("attention_factor", 0),
                               .truncate = number("truncate", 1) != 0},
                    .amplitude = number("amplitude", 0)};
  double value = 0.0;
  while (in >> value) result.frequencies.push_back(value);
  return result;
}

TEST(RopeFrequencies, AgreeWithHuggingFaceTransformers) {
  std::ifstream file(TANDEM_SOURCE_DIR "/tests/golden/rope/inverse_frequencies.txt");
  ASSERT_TRUE(file) << "HINT: tests/golden/make_rope.py writes this file";
  int num_cases = 0;
  for (std::string line; std::getline(file, line); ++num_cases) {
    const GoldenCase want = ParseGolden(line);
    const std::vector<float> got = RopeFrequencies(want.config);
    ASSERT_EQ(got.size(), want.frequencies.size()) << line;
    for (size_t i = 0; i < got.size(); ++i) {
      // Three float steps: torch's power is not correctly rounded either.
      ASSERT_NEAR(got[i], want.frequencies[i], 3.6e-7 * want.frequencies[i]) << i << ": " << line;
    }
    ASSERT_NEAR(RopeAmplitude(want.config), want.amplitude, 1e-7 * want.amplitude) << line;
  }
  EXPECT_EQ(num_cases, 13);
}

RopeConfig MiniMindConfig(RopeScaling scaling) {
  return {.head_dim = 64,
          .theta = 1e6,
          .max_positions = 32768,
          .scaling = scaling,
          .factor = 16,
          .original_max_positions = 2048,
          .beta_fast = 32,
          .beta_slow = 1};
}

TEST(RopeFrequencies, MiniMindYarnFollowsItsFormula) {
  for (const int64_t head_dim : {8, 64, 96}) {
    RopeConfig config = MiniMindConfig(RopeScaling::kYarnMiniMind);
    config.head_dim = head_dim;
    const auto d = static_cast<double>(head_dim);
    const auto dimension_of = [&](double rotations) {
      return d * std::log(2048 / (2 * std::numbers::pi * rotations)) / (2 * std::log(1e6));
    };
    const double low = std::max(std::floor(dimension_of(32)), 0.0);
    const double high = std::min(std::ceil(dimension_of(1)), d / 2 - 1);
    const std::vector<float> got = RopeFrequencies(config);
    for (size_t i = 0; i < got.size(); ++i) {
      const auto pair = static_cast<double>(i);
      const double ramp = std::clamp((pair - low) / std::max(high - low, 0.001), 0.0, 1.0);
      const double want = std::pow(1e6, -2 * pair / d) * (1 - ramp + ramp / 16);
      ASSERT_NEAR(got[i], want, 1e-6 * want) << head_dim << " " << i;
    }
    EXPECT_EQ(RopeAmplitude(config), 1.0f);
  }
}

TEST(RopeFrequencies, TutorialYarnFollowsItsFormula) {
  for (const double beta_fast : {4.0, 32.0}) {
    RopeConfig config = MiniMindConfig(RopeScaling::kYarnTutorial);
    config.beta_fast = beta_fast;
    config.factor = beta_fast == 4.0 ? 4.0 : 16.0;
    const std::vector<float> got = RopeFrequencies(config);
    size_t corrected = 0;
    while (corrected < 32 &&
           2 * std::numbers::pi * std::pow(1e6, static_cast<double>(corrected) / 32) <= 2048) {
      ++corrected;
    }
    ASSERT_GT(corrected, 0u);
    ASSERT_LT(corrected, 32u);
    for (size_t i = 0; i < 32; ++i) {
      const double beta = 1 + (beta_fast - 1) * static_cast<double>(i) / 31;
      const double scale = i < corrected
                               ? (beta * config.factor - beta + 1) / (beta * config.factor)
                               : 1 / config.factor;
      const double want = std::pow(1e6, -static_cast<double>(i) / 32) * scale;
      ASSERT_NEAR(got[i], want, 1e-6 * want) << i;
    }
  }
}

TEST(RopeFrequencies, MiniMindFormsApplyOnlyBeyondTheOriginalContext) {
  RopeConfig plain = MiniMindConfig(RopeScaling::kNone);
  for (const RopeScaling scaling : {RopeScaling::kYarnMiniMind, RopeScaling::kYarnTutorial}) {
    RopeConfig config = MiniMindConfig(scaling);
    EXPECT_NE(RopeFrequencies(config), RopeFrequencies(plain));
    config.max_positions = 2048;
    EXPECT_EQ(RopeFrequencies(config), RopeFrequencies(plain));
    config.original_max_positions = 0;
    EXPECT_EQ(RopeFrequencies(config), RopeFrequencies(plain));
  }
}

TEST(RopeConfig, ValidationNamesTheField) {
  const RopeConfig good = MiniMindConfig(RopeScaling::kYarn);
  EXPECT_NO_THROW(Validate(good));
  const auto expect_refused = [&](const char* field, auto change) {
    RopeConfig config = good;
    change(config);
    try {
      Validate(config);
      FAIL() << field << " was accepted";
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find(field), std::string::npos) << error.what();
    }
  };
  expect_refused("head_dim", [](RopeConfig& c) { c.head_dim = 7; });
  expect_refused("head_dim", [](RopeConfig& c) { c.head_dim = 0; });
  expect_refused("theta", [](RopeConfig& c) { c.theta = -1; });
  expect_refused("theta", [](RopeConfig& c) { c.theta = 1; });
  expect_refused("theta", [](RopeConfig& c) { c.theta = std::nan(""); });
  expect_refused("max_positions", [](RopeConfig& c) { c.max_positions = 0; });
  expect_refused("max_positions", [](RopeConfig& c) { c.max_positions = (1 << 24) + 1; });
  expect_refused("original_max_positions", [](RopeConfig& c) { c.original_max_positions = -1; });
  expect_refused("factor", [](RopeConfig& c) { c.factor = 0.5; });
  expect_refused("beta_fast", [](RopeConfig& c) { c.beta_fast = 0.5; });
  expect_refused("beta_slow", [](RopeConfig& c) { c.beta_slow = 0; });
  expect_refused("attention_factor", [](RopeConfig& c) { c.attention_factor = -1; });
  expect_refused("high_freq_factor", [](RopeConfig& c) {
    c.scaling = RopeScaling::kLlama3;
    c.high_freq_factor = 1;
  });
}

TEST(RopeTable, HoldsCosinesAndSinesOfFloatAngles) {
  RopeConfig config = MiniMindConfig(RopeScaling::kYarn);
  RopeTable table(config);
  EXPECT_EQ(table.num_ready(), 0);
  table.Reserve(1);
  table.Reserve(5000);
  table.Reserve(100);
  ASSERT_GE(table.num_ready(), 5000);
  const std::vector<float> frequencies = RopeFrequencies(config);
  const auto amplitude = static_cast<double>(RopeAmplitude(config));
  const float* rows = table.rows().data<float>();
  for (const int64_t position : {0, 1, 63, 64, 4999}) {
    for (size_t i = 0; i < 32; ++i) {
      const float angle = static_cast<float>(position) * frequencies[i];
      ASSERT_NEAR(rows[position * 64 + static_cast<int64_t>(i)],
                  amplitude * std::cos(double{angle}), 2e-7);
      ASSERT_NEAR(rows[position * 64 + 32 + static_cast<int64_t>(i)],
                  amplitude * std::sin(double{angle}), 2e-7);
    }
  }
}

TEST(RopeTable, DoesNotDependOnTheOrderOfReservations) {
  const RopeConfig config{.head_dim = 8, .max_positions = 300};
  RopeTable at_once(config), in_steps(config);
  at_once.Reserve(300);
  for (int64_t count = 1; count <= 300; count += 7) in_steps.Reserve(count);
  in_steps.Reserve(300);
  EXPECT_EQ(in_steps.num_ready(), 300);
  EXPECT_TRUE(SameBits(at_once.rows(), in_steps.rows()));
}

TEST(RopeTable, RefusesMoreThanItsPositions) {
  RopeTable table({.head_dim = 8, .max_positions = 300});
  EXPECT_THROW(table.Reserve(301), InternalError);
}

TEST(Rope, KeepsRelativeAngles) {
  // The product of a rotated pair depends on the distance of the positions alone.
  RopeTable table({.head_dim = 64, .max_positions = 512});
  table.Reserve(512);
  const auto product = [&](int32_t first, int32_t second) {
    Tensor x(DType::kF32, {2, 1, 64});
    FillNormal(x.view().Rows(0, 1), 13);
    FillNormal(x.view().Rows(1, 1), 14);
    OpContext context;
    const Tensor positions = Integers({first, second}, {2});
    Rope(context, {.positions = positions, .table = table, .x = x});
    double sum = 0.0;
    for (int64_t i = 0; i < 64; ++i) {
      sum += static_cast<double>(x.data<float>()[i]) * static_cast<double>(x.data<float>()[64 + i]);
    }
    return sum;
  };
  EXPECT_NEAR(product(3, 10), product(403, 410), 1e-3);
  EXPECT_GT(std::abs(product(3, 10) - product(3, 30)), 1e-2);
}

TEST(Rope, RefusesAPositionThatIsNotReady) {
  RopeTable table({.head_dim = 8, .max_positions = 512});
  table.Reserve(10);
  Tensor x(DType::kF32, {1, 1, 8});
  OpContext context;
  for (const int32_t position : {static_cast<int32_t>(table.num_ready()), -1}) {
    const Tensor positions = Integers({position}, {1});
    EXPECT_THROW(Rope(context, {.positions = positions, .table = table, .x = x}), InternalError);
  }
}

}  // namespace
}  // namespace tandem
