#include "engine/weights/export.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <tuple>

#include "engine/weights/loader.h"
#include "engine/weights/minimind_names.h"
#include "engine/weights/pth.h"
#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/random_model.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

class Export : public testing::Test {
 protected:
  ThreadPool pool_{2};
  Workspace workspace_;
  Context context_{.pool = pool_, .workspace = workspace_};
};

void ExpectSameBytes(const ModelConfig& config, ModelWeights& a, ModelWeights& b) {
  std::vector<Parameter> parameters;
  ForEachParameter(config, a, [&](const Parameter& parameter) { parameters.push_back(parameter); });
  size_t i = 0;
  ForEachParameter(config, b, [&](const Parameter& other) {
    const Parameter& one = parameters[i++];
    ASSERT_EQ(one.name, other.name);
    const auto bytes = [](const Parameter& parameter) {
      return parameter.matrix != nullptr ? parameter.matrix->data()
                                         : parameter.vector->view().bytes();
    };
    const int64_t size = one.matrix != nullptr ? one.matrix->panel_bytes() *
                                                     one.matrix->padded_n() / PackedMatrix::kPanel
                                               : one.vector->size_bytes();
    EXPECT_EQ(std::memcmp(bytes(one), bytes(other), static_cast<size_t>(size)), 0) << one.name;
  });
}

TEST_F(Export, OfADirectoryLoadsAsTheSameModel) {
  for (const ModelConfig& config : {Stories260KConfig(), TinyMoeConfig()}) {
    for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF16}) {
      const TemporaryDirectory directory;
      ModelWeights weights = RandomWeights(context_, config, dtype, 7);
      // Vectors and routers are f32 in memory: written narrower and read again, they stay as they
      // are from then on.
      ExportHuggingFace(context_, {.config = config, .weights = weights, .dtype = dtype},
                        directory / "a");
      const auto load = [&](const char* name) {
        return LoadWeights(context_, ReadSafetensors(directory / name),
                           ReadModelConfig(directory / name), dtype, name);
      };
      ModelWeights once = load("a");
      ExportHuggingFace(context_, {.config = config, .weights = once, .dtype = dtype},
                        directory / "b");
      ModelWeights twice = load("b");
      ExpectSameBytes(config, once, twice);
      if (dtype == DType::kF32) ExpectSameBytes(config, weights, once);
      EXPECT_EQ(std::memcmp(weights.embedding.data(), once.embedding.data(),
                            static_cast<size_t>(weights.embedding.size_bytes())),
                0);
    }
  }
}

TEST_F(Export, RefusesAValueThatF16DoesNotHold) {
  const TemporaryDirectory directory;
  const ModelConfig config = Stories260KConfig();
  ModelWeights weights = RandomWeights(context_, config, DType::kF32, 7);
  weights.final_norm.data<float>()[3] = 7e4f;
  const auto store = [&](DType dtype) {
    ExportHuggingFace(context_, {.config = config, .weights = weights, .dtype = dtype},
                      directory / "a");
  };
  EXPECT_TRUE(Contains(MessageOf<ConfigError>([&] { store(DType::kF16); }), "model.norm.weight"));
  EXPECT_FALSE(std::filesystem::exists(directory / "a"));
  store(DType::kBf16);
}

TEST_F(Export, OfAPthLoadsAsTheSameModel) {
  const TemporaryDirectory directory;
  const ModelConfig config = TinyMoeConfig();
  ModelWeights weights = RandomWeights(context_, config, DType::kF32, 7);
  ExportMiniMindPth(context_, {.config = config, .weights = weights, .dtype = DType::kF32},
                    directory / "a.pth");
  const PthFile file = ReadPth(directory / "a.pth");
  ModelWeights read = LoadWeights(context_, file.tensors, config, DType::kF32, "a.pth");
  ExpectSameBytes(config, weights, read);
  ASSERT_TRUE(config.tie_embeddings);
  EXPECT_EQ(file.tensors.Find("lm_head.weight")->view.bytes(),
            file.tensors.Find("model.embed_tokens.weight")->view.bytes());
}

// As PyTorch wrote them from the same models (tests/golden/make_pth.py).
TEST_F(Export, OfTheFirstCodesPthHasItsNamesAndPairs) {
  const std::filesystem::path golden = std::string(TANDEM_SOURCE_DIR) + "/tests/golden";
  const TemporaryDirectory directory;
  const ModelConfig config = ReadModelConfig(golden / "models/minimind2");
  ModelWeights weights = LoadWeights(context_, ReadSafetensors(golden / "models/minimind2"), config,
                                     DType::kF32, "minimind2");
  ExportFirstMiniMindPth(context_, {.config = config, .weights = weights, .dtype = DType::kF16},
                         directory / "a.pth");
  const PthFile ours = ReadPth(directory / "a.pth");
  const PthFile theirs = ReadPth(golden / "pth/first_minimind2.pth");
  ASSERT_EQ(ours.tensors.entries().size(), theirs.tensors.entries().size());
  for (const auto& [name, entry] : theirs.tensors.entries()) {
    const auto* found = ours.tensors.Find(name);
    ASSERT_NE(found, nullptr) << name;
    ASSERT_EQ(found->view.shape(), entry.view.shape()) << name;
    EXPECT_EQ(std::memcmp(found->view.bytes(), entry.view.bytes(),
                          static_cast<size_t>(entry.view.size_bytes())),
              0)
        << name;
  }
}

TEST(FirstMiniMindNames, AreThoseOfMixturesToo) {
  EXPECT_EQ(FirstMiniMindName("model.layers.12.mlp.experts.3.down_proj.weight"),
            "layers.12.feed_forward.experts.3.w2.weight");
  EXPECT_EQ(FirstMiniMindName("model.layers.0.mlp.shared_experts.0.up_proj.weight"),
            "layers.0.feed_forward.shared_experts.w3.weight");
  EXPECT_EQ(FirstMiniMindName("model.layers.0.mlp.gate.weight"),
            "layers.0.feed_forward.gate.weight");
}

}  // namespace
}  // namespace tandem
