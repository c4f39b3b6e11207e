#include "trainer/muon.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "engine/weights/tensor_table.h"
#include "tests/support/ops/operands.h"
#include "tests/support/random_model.h"
#include "trainer/optimizer.h"
#include "trainer/training_weights.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

Tensor Copied(const TensorTable& table, const std::string& name) {
  const TensorTable::Entry* entry = table.Find(name);
  CHECK(entry != nullptr, name);
  Tensor copy(DType::kF32, entry->view.shape());
  std::memcpy(copy.view().bytes(), entry->view.bytes(), static_cast<size_t>(copy.size_bytes()));
  return copy;
}

double Largest(ConstTensorView a, ConstTensorView b) {
  double largest = 0;
  for (int64_t i = 0; i < a.num_elements(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a.data<float>()[i]) -
                                         static_cast<double>(b.data<float>()[i])));
  }
  return largest;
}

// In double precision, by tests/golden/make_muon.py. The iteration multiplies what is next to
// nothing by 485, so f32's rounding of 6e-8 is up to 3e-5 of an update, of which a step takes
// 0.02 * 0.2 * sqrt(131) = 0.05 at most.
TEST(Muon, GoesTheWayOfPyTorch) {
  const TensorTable golden = ReadSafetensors(fs::path(TANDEM_SOURCE_DIR) / "tests/golden/muon");
  for (const char* name : {"wide", "tall", "square", "rank_2", "zero"}) {
    OpContext context;
    const std::string prefix = std::string(name) + ".";
    Tensor weights = Copied(golden, prefix + "weights");
    Tensor momentum(DType::kF32, weights.shape());
    for (int step = 0; step < 4; ++step) {
      const std::string number = std::to_string(step);
      const Tensor gradient = Copied(golden, prefix + "gradient_" + number);
      Muon(context, {.weights = weights,
                     .gradient = gradient,
                     .m = momentum,
                     .rate = 0.02,
                     .momentum = 0.95,
                     .decay = 0.1});
      const Tensor expected = Copied(golden, prefix + "expected_" + number);
      EXPECT_LT(Largest(weights, expected), 3e-6) << name << ", step " << step;
    }
  }
}

TEST(Muon, HasTheSameBitsOnAnyNumberOfThreads) {
  for (const Shape& shape : {Shape{200, 300}, Shape{301, 150}}) {
    std::vector<float> first;
    for (const int threads : {1, 2, 5}) {
      OpContext context(BestInstructionSet(), threads);
      Tensor x = RandomTensor(shape, 11);
      Orthogonalise(context, x);
      const std::vector<float> values(x.data<float>(), x.data<float>() + shape.num_elements());
      if (first.empty()) first = values;
      EXPECT_EQ(std::memcmp(values.data(), first.data(), first.size() * sizeof(float)), 0)
          << threads << " threads";
    }
  }
}

// q, k and v, gate and up are matrices of their own, though they are stored as one; the rest of the
// model goes AdamW's way, to the bit.
TEST(Muon, TrainsHiddenMatricesEachForItself) {
  ModelConfig config = TinyMoeConfig();
  OpContext context;
  ModelWeights compute = AllocateWeights(config, DType::kF32);
  TrainingWeights by_muon(context, compute), by_adamw(context, compute);
  ModelTensors<Tensor> gradients = ZeroTensors(by_muon.masters());
  uint64_t seed = 5;
  for (Tensor* gradient : AllTensors(gradients))
    *gradient = RandomTensor(gradient->shape(), seed++);
  Optimizer muon(by_muon.masters(), {.kind = OptimizerKind::kMuon}), adamw(by_adamw.masters(), {});
  muon.Step(context, by_muon.masters(), gradients, 1.0, 0.01);
  adamw.Step(context, by_adamw.masters(), gradients, 1.0, 0.01);

  const auto same = [](const Tensor& a, const Tensor& b) {
    return std::memcmp(a.view().bytes(), b.view().bytes(), static_cast<size_t>(a.size_bytes())) ==
           0;
  };
  EXPECT_TRUE(same(by_muon.masters().embedding, by_adamw.masters().embedding));
  const auto& got = by_muon.masters().layers.front();
  const auto& other = by_adamw.masters().layers.front();
  EXPECT_TRUE(same(got.attention.norm, other.attention.norm));
  EXPECT_FALSE(same(got.attention.qkv, other.attention.qkv));
  const auto moments = muon.second_moments().layers.front().attention.qkv.empty();
  EXPECT_TRUE(moments);

  const int64_t q = config.num_heads * config.head_dim, kv = config.num_kv_heads * config.head_dim;
  int64_t row = 0;
  for (const int64_t rows : {q, kv, kv}) {
    const ConstTensorView gradient = gradients.layers.front().attention.qkv.view().Rows(row, rows);
    Tensor weights(DType::kF32, gradient.shape()), momentum(DType::kF32, gradient.shape());
    Muon(context, {.weights = weights,
                   .gradient = gradient,
                   .m = momentum,
                   .scale = static_cast<float>(1.0 / (1.0 + 1e-6)),
                   .rate = 0.01,
                   .decay = 0.1});
    EXPECT_EQ(Largest(weights, got.attention.qkv.view().Rows(row, rows)), 0.0) << row;
    row += rows;
  }
}

}  // namespace
}  // namespace tandem
