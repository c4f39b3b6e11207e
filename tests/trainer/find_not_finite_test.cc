#include "trainer/find_not_finite.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/ops/operands.h"
#include "tests/support/random_model.h"
#include "trainer/initialise.h"
#include "trainer/trainer.h"

namespace tandem {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TrainBatch SomeBatch() {
  TrainBatch batch{.cu_seqlens = {0, 12}};
  for (int32_t i = 0; i < 12; ++i) {
    batch.token_ids.push_back(i);
    batch.targets.push_back(i + 1);
  }
  return batch;
}

struct Session {
  explicit Session(const ModelConfig& model = Stories260KConfig(), DType dtype = DType::kF32,
                   ActivationCheckpoints checkpoints = ActivationCheckpoints::kNone)
      : config(model),
        compute(AllocateWeights(config, dtype)),
        trainer(context, config, compute,
                {.checkpoint_activations = checkpoints, .max_tokens = 64}) {
    InitialiseWeights(config, InitKind::kNormal, 3, trainer.weights().masters());
    trainer.weights().Publish(context);
  }
  std::string Find(const std::vector<TrainBatch>& batches) {
    trainer.weights().Publish(context);
    EXPECT_TRUE(trainer.Step(context, batches).skipped);
    return trainer.FindNotFinite(context, batches);
  }
  LayerTensors<Tensor>& layer(size_t index) { return trainer.weights().masters().layers[index]; }

  OpContext context;
  ModelConfig config;
  ModelWeights compute;
  Trainer trainer;
};

void ExpectPart(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << part << ": " << text;
}

TEST(FindNotFinite, CountsValuesAndPlacesTheFirst) {
  OpContext context;
  Tensor values(DType::kF32, {3, 4});
  EXPECT_FALSE(DescribeNotFinite(context, values));
  values.data<float>()[6] = -kInfinity;
  values.data<float>()[11] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(DescribeNotFinite(context, values).value(),
            "[3, 4]: 2 of 12 values are not finite, the first is -inf at row 1, column 2");
  Tensor narrow(DType::kBf16, {5});
  narrow.data<BFloat16>()[3] = BFloat16(kInfinity);
  EXPECT_EQ(DescribeNotFinite(context, narrow).value(),
            "[5]: 1 of 5 values are not finite, the first is inf at row 0, column 3");
}

TEST(FindNotFinite, NamesAWeight) {
  Session run;
  run.layer(2).dense->down.data<float>()[5] = kInfinity;
  ExpectPart(run.Find({SomeBatch()}), "the weight model.layers.2.mlp.down_proj.weight [");
}

TEST(FindNotFinite, NamesAWeightThatIsTooLargeForItsDtype) {
  Session run(Stories260KConfig(), DType::kF16);
  run.layer(1).attention.output.data<float>()[0] = 1e6f;
  const std::string found = run.Find({SomeBatch()});
  ExpectPart(found, "the weight model.layers.1.self_attn.o_proj.weight has 1000000");
  ExpectPart(found, "--dtype bf16");
}

TEST(FindNotFinite, NamesTheData) {
  Session run;
  TrainBatch bad = SomeBatch();
  bad.weights.assign(12, 1.0f);
  bad.weights[7] = kInfinity;
  ExpectPart(run.Find({SomeBatch(), bad}),
             "micro-batch 2 of the step: the data's weights of targets [12]: 1 of 12");
}

// Finite weights whose product is not.
void MakeHuge(Tensor& tensor) {
  float* values = tensor.data<float>();
  for (int64_t i = 0; i < tensor.shape().num_elements(); ++i) values[i] = 1e38f;
}

TEST(FindNotFinite, NamesTheFirstActivation) {
  Session run;
  MakeHuge(run.layer(3).dense->gate_up);
  MakeHuge(run.layer(4).attention.qkv);  // later: not the cause
  ExpectPart(
      run.Find({SomeBatch()}),
      "in the forward pass, layer 3, gate_up (the product with gate_proj and up_proj) [12, ");
  Session first;
  MakeHuge(first.layer(0).attention.qkv);
  ExpectPart(first.Find({SomeBatch()}), "layer 0, qkv (");
}

TEST(FindNotFinite, ComputesActivationsThatWereNotKept) {
  Session run(Stories260KConfig(), DType::kF32, ActivationCheckpoints::kLayer);
  MakeHuge(run.layer(3).dense->gate_up);
  ExpectPart(run.Find({SomeBatch()}), "in the forward pass, layer 3, gate_up (");
}

TEST(FindNotFinite, NamesAnActivationOfAMixture) {
  Session run(TinyMoeConfig(), DType::kBf16);
  size_t sparse = 0;
  while (!run.layer(sparse).moe) ++sparse;
  MakeHuge(run.layer(sparse).moe->router);
  ExpectPart(run.Find({SomeBatch()}), ", logits (the router) [12, ");
}

TEST(FindNotFinite, NamesTheLossAndTheGradients) {
  Session run;
  Tensor& norm = run.trainer.weights().masters().final_norm;
  for (int64_t i = 0; i < norm.shape().num_elements(); ++i) norm.data<float>()[i] = 3e38f;
  ExpectPart(run.Find({SomeBatch()}), "the loss, and nothing before the output head");

  ModelTensors<Tensor> gradients = ZeroTensors(run.trainer.weights().masters());
  EXPECT_FALSE(FindInBackward(run.context, run.config, gradients));
  gradients.embedding.data<float>()[0] = kInfinity;
  ExpectPart(FindInBackward(run.context, run.config, gradients).value(),
             "model.embed_tokens.weight [");
  gradients.layers[1].attention.qkv.data<float>()[0] = kInfinity;
  ExpectPart(FindInBackward(run.context, run.config, gradients).value(),
             "model.layers.1.self_attn.q_proj");
  gradients.layers[1].dense->down.data<float>()[0] = kInfinity;
  ExpectPart(FindInBackward(run.context, run.config, gradients).value(),
             "model.layers.1.mlp.down_proj");
  gradients.layers[3].attention.norm.data<float>()[0] = kInfinity;
  ExpectPart(FindInBackward(run.context, run.config, gradients).value(),
             "in the backward pass, the gradient of model.layers.3.input_layernorm.weight [");
}

}  // namespace
}  // namespace tandem
