// Tokens that make a batch as large as a recording: they change no bit of the others, and write to
// no page but their own.

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "engine/model/transformer.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/small_models.h"

namespace tandem {
namespace {

constexpr int64_t kNumPages = 6;
constexpr int64_t kNumSequences = 3;

class CudaBatchPadding : public testing::TestWithParam<ModelCase> {
 protected:
  CudaBatchPadding()
      : weights_(MoveToDevice(cuda_, SmallWeights(GetParam().config, GetParam().dtype))) {
    for (int64_t s = 0; s < kNumSequences; ++s) {
      histories_.push_back(RandomTokens(GetParam().config, 4 + 12 * s, static_cast<uint64_t>(s)));
      pages_.push_back({static_cast<PageId>(2 * s), static_cast<PageId>(2 * s + 1)});
    }
  }

  std::vector<SequenceStep> Steps(bool is_decode) const {
    std::vector<SequenceStep> steps;
    for (size_t s = 0; s < kNumSequences; ++s) {
      const auto length = static_cast<int64_t>(histories_[s].size());
      steps.push_back({.history = histories_[s],
                       .first = is_decode ? length - 1 : 0,
                       .count = is_decode ? 1 : length - 1,
                       .pages = pages_[s]});
    }
    return steps;
  }

  struct Result {
    std::vector<std::byte> hidden;  // of the sequences' tokens
    std::vector<std::byte> pages;   // of the sequences, in all layers
    std::vector<std::byte> own;     // the page after those
  };

  void Append(const std::byte* from, int64_t size_bytes, std::vector<std::byte>& to) {
    const HostCopy copy(cuda_, ConstTensorView(from, DType::kU8, {size_bytes}, kCuda));
    to.insert(to.end(), copy.view().bytes(), copy.view().bytes() + size_bytes);
  }

  Result Run(const BatchPadding& padding) {
    const ModelConfig& config = GetParam().config;
    Transformer transformer(config, weights_, 64);
    KvPool pool({.num_layers = config.num_layers,
                 .num_kv_heads = config.num_kv_heads,
                 .head_dim = config.head_dim,
                 .dtype = GetParam().dtype == DType::kF32 ? DType::kF32 : DType::kBf16},
                kNumPages + 1, kCuda);
    TokenBatch batch;
    batch.Assign(cuda_, Steps(false));
    transformer.Forward(cuda_, batch, pool);
    batch.Assign(cuda_, Steps(true), padding);
    transformer.Forward(cuda_, batch, pool);
    Result result;
    Append(transformer.hidden().bytes(), transformer.hidden().Rows(0, kNumSequences).size_bytes(),
           result.hidden);
    const int64_t page_bytes = pool.layout().layer_page_bytes();
    for (int64_t layer = 0; layer < config.num_layers; ++layer) {
      Append(pool.layer(layer), kNumPages * page_bytes, result.pages);
      Append(pool.layer(layer) + kNumPages * page_bytes, page_bytes, result.own);
    }
    return result;
  }

  CudaBackend backend_;
  CudaContext cuda_;
  ModelWeights weights_;
  std::vector<std::vector<TokenId>> histories_;
  std::vector<std::vector<PageId>> pages_;
};

TEST_P(CudaBatchPadding, ChangesNoBitOfTheOthers) {
  const Result want = Run({});
  EXPECT_TRUE(std::all_of(want.own.begin(), want.own.end(),
                          [](std::byte byte) { return byte == std::byte{0}; }));
  for (const int64_t num_tokens : {kNumSequences, int64_t{4}, int64_t{8}, int64_t{64}}) {
    SCOPED_TRACE(num_tokens);
    const Result got = Run({.num_tokens = num_tokens, .max_pages = 32, .page = kNumPages});
    EXPECT_EQ(got.hidden, want.hidden);
    EXPECT_EQ(got.pages, want.pages);
    EXPECT_EQ(got.own == want.own, num_tokens == kNumSequences);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, CudaBatchPadding,
                         testing::Values(ModelCase{"dense_bf16", SmallDenseConfig(), DType::kBf16},
                                         ModelCase{"dense_i8", SmallDenseConfig(), DType::kI8},
                                         ModelCase{"mixture_f32", TinyMoeConfig(), DType::kF32},
                                         ModelCase{"mixture_bf16", TinyMoeConfig(), DType::kBf16}),
                         [](const testing::TestParamInfo<ModelCase>& test) {
                           return test.param.name;
                         });

}  // namespace
}  // namespace tandem
