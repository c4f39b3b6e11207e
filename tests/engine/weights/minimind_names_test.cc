#include "engine/weights/minimind_names.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>

#include "engine/weights/pth.h"
#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

const std::filesystem::path kGolden = TANDEM_SOURCE_DIR "/tests/golden";

ModelConfig ConfigOf(const std::string& model) {
  return ReadModelConfig(kGolden / "models" / model);
}

// The tied head stands in the first code's files, and not in the golden models'.
void ExpectTodaysTensors(TensorTable table, const TensorTable& expected) {
  if (expected.Find("lm_head.weight") == nullptr) table.Remove("lm_head.weight");
  ASSERT_EQ(table.entries().size(), expected.entries().size());
  for (const auto& [name, entry] : expected.entries()) {
    const auto* found = table.Find(name);
    ASSERT_NE(found, nullptr) << name;
    ASSERT_EQ(found->view.shape(), entry.view.shape()) << name;
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(found->view.bytes()),
                               static_cast<size_t>(found->view.size_bytes())),
              std::string_view(reinterpret_cast<const char*>(entry.view.bytes()),
                               static_cast<size_t>(entry.view.size_bytes())))
        << name;
  }
}

Tensor Rows(const std::vector<float>& values) {
  Tensor tensor(DType::kF32, {static_cast<int64_t>(values.size()), 1});
  std::copy(values.begin(), values.end(), tensor.data<float>());
  return tensor;
}

TEST(MiniMindNames, BringTheFirstCodeToTodaysForm) {
  PthFile file = ReadPth(kGolden / "pth/first_minimind2.pth");
  EXPECT_TRUE(HasFirstMiniMindNames(file.tensors));
  UseHuggingFaceNames(ConfigOf("minimind2"), "x", &file.tensors);
  EXPECT_FALSE(HasFirstMiniMindNames(file.tensors));
  ExpectTodaysTensors(std::move(file.tensors), ReadSafetensors(kGolden / "models/minimind2"));
}

TEST(MiniMindNames, BringTheFirstMixturesToTodaysForm) {
  PthFile file = ReadPth(kGolden / "pth/first_minimind2_moe.pth");
  UseHuggingFaceNames(ConfigOf("minimind2_moe"), "x", &file.tensors);
  ExpectTodaysTensors(std::move(file.tensors),
                      ReadSafetensorsFile(kGolden / "pth/first_minimind2_moe.safetensors"));
}

TEST(MiniMindNames, MovePairsOfRowsHalfAHeadApart) {
  ModelConfig config = ConfigOf("minimind2");
  config.num_heads = 2;
  config.num_kv_heads = 1;
  config.head_dim = 4;
  TensorTable table;
  table.Add("tok_embeddings.weight", table.Own(Rows({1})));
  table.Add("pos_cis", table.Own(Rows({1})));
  table.Add("layers.0.attention.wq.weight", table.Own(Rows({0, 1, 2, 3, 10, 11, 12, 13})));
  UseHuggingFaceNames(config, "x", &table);
  EXPECT_EQ(table.entries().size(), 2u);
  const auto* q = table.Find("model.layers.0.self_attn.q_proj.weight");
  ASSERT_NE(q, nullptr);
  const float* rows = q->view.data<float>();
  EXPECT_EQ(std::vector<float>(rows, rows + 8), (std::vector<float>{0, 2, 1, 3, 10, 12, 11, 13}));
}

TEST(MiniMindNames, TakeWrappersOffAndLeaveTheRestAlone) {
  TensorTable table;
  for (const char* name : {"model.norm.weight", "_orig_mod.lm_head.weight",
                           "module._orig_mod.model.layers.0.self_attn.q_proj.weight"}) {
    table.Add(name, table.Own(Rows({1, 2, 3})));
  }
  UseHuggingFaceNames(ConfigOf("minimind2"), "x", &table);
  EXPECT_NE(table.Find("lm_head.weight"), nullptr);
  EXPECT_NE(table.Find("model.layers.0.self_attn.q_proj.weight"), nullptr);
  EXPECT_NE(table.Find("model.norm.weight"), nullptr);
  table.Add("module.lm_head.weight", table.Own(Rows({1})));
  const auto rename = [&] { UseHuggingFaceNames(ConfigOf("minimind2"), "x", &table); };
  EXPECT_TRUE(Contains(MessageOf<FormatError>(rename), "which is there already"));
}

TEST(MiniMindNames, RefuseOtherHeads) {
  PthFile file = ReadPth(kGolden / "pth/first_minimind2.pth");
  ModelConfig config = ConfigOf("minimind2");
  config.num_kv_heads = 4;
  const auto rename = [&] { UseHuggingFaceNames(config, "x", &file.tensors); };
  EXPECT_TRUE(Contains(MessageOf<FormatError>(rename), "4 heads of 8; give the heads"));
}

}  // namespace
}  // namespace tandem
