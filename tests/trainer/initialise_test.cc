#include "trainer/initialise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "tests/support/ops/operands.h"
#include "tests/support/random_model.h"
#include "trainer/training_weights.h"

namespace tandem {
namespace {

struct Moments {
  double mean = 0, deviation = 0, largest = 0;
};

Moments MomentsOf(ConstTensorView values) {
  Moments m;
  const auto count = static_cast<double>(values.num_elements());
  for (const double value : ToDoubles(values)) {
    m.mean += value / count;
    m.largest = std::max(m.largest, std::abs(value));
  }
  for (const double value : ToDoubles(values)) {
    m.deviation += (value - m.mean) * (value - m.mean) / count;
  }
  m.deviation = std::sqrt(m.deviation);
  return m;
}

std::map<std::string, Moments> Initialised(const ModelConfig& config, InitKind kind) {
  OpContext context;
  ModelWeights compute = AllocateWeights(config, DType::kF32);
  TrainingWeights weights(context, compute);
  InitialiseWeights(config, kind, 7, weights.masters());
  std::map<std::string, Moments> moments;
  ForEachParameter(config, weights.masters(), [&](const ParameterOf<Tensor>& parameter) {
    const Tensor& tensor = parameter.matrix != nullptr ? *parameter.matrix : *parameter.vector;
    moments[parameter.name] =
        MomentsOf(tensor.view().Rows(parameter.first_row, parameter.shape[0]));
  });
  return moments;
}

TEST(InitialiseWeights, NormalHasOneDeviation) {
  const auto moments = Initialised(TinyMoeConfig(), InitKind::kNormal);
  for (const auto& [name, m] : moments) {
    if (name.find("norm") != std::string::npos) {
      EXPECT_EQ(m.mean, 1.0) << name;
      EXPECT_EQ(m.deviation, 0.0) << name;
    } else {
      EXPECT_NEAR(m.mean, 0.0, 0.005) << name;
      EXPECT_NEAR(m.deviation, 0.02, 0.002) << name;
    }
  }
}

TEST(InitialiseWeights, PyTorchsDefaultIsUniformByTheInputs) {
  const ModelConfig config = TinyMoeConfig();
  const auto moments = Initialised(config, InitKind::kPyTorch);
  const auto bound = [](int64_t inputs) { return 1.0 / std::sqrt(static_cast<double>(inputs)); };
  const auto expect = [&](const std::string& name, int64_t inputs) {
    const Moments& m = moments.at(name);
    EXPECT_LE(m.largest, bound(inputs)) << name;
    EXPECT_NEAR(m.deviation, bound(inputs) / std::sqrt(3.0), 0.1 * bound(inputs)) << name;
  };
  expect("model.embed_tokens.weight", config.hidden_size);  // tied
  expect("model.layers.0.self_attn.v_proj.weight", config.hidden_size);
  expect("model.layers.1.mlp.gate.weight", config.hidden_size);
  expect("model.layers.1.mlp.experts.2.down_proj.weight", config.moe.intermediate_size);
}

TEST(InitialiseWeights, PyTorchsEmbeddingIsNormalWhenItIsNotTied) {
  ModelConfig config = TinyMoeConfig();
  config.tie_embeddings = false;
  const auto moments = Initialised(config, InitKind::kPyTorch);
  EXPECT_NEAR(moments.at("model.embed_tokens.weight").deviation, 1.0, 0.05);
  EXPECT_NEAR(moments.at("lm_head.weight").deviation, 1.0 / std::sqrt(3.0 * 64), 0.01);
}

TEST(InitialiseWeights, SeedsDifferAndRepeat) {
  const ModelConfig config = TinyMoeConfig();
  OpContext context;
  const auto first = [&](uint64_t seed) {
    ModelWeights compute = AllocateWeights(config, DType::kF32);
    TrainingWeights weights(context, compute);
    InitialiseWeights(config, InitKind::kNormal, seed, weights.masters());
    return weights.masters().embedding.data<float>()[0];
  };
  EXPECT_EQ(first(1), first(1));
  EXPECT_NE(first(1), first(2));
}

}  // namespace
}  // namespace tandem
