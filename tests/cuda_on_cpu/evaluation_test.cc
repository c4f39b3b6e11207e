// A checkpoint evaluated on the CUDA backend: the figures of the CPU, up to rounding.

#include <gtest/gtest.h>

#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/support/random_model.h"
#include "trainer/evaluation/sequence_scorer.h"

namespace tandem {
namespace {

TEST(CudaEvaluation, ScoresAsTheCpuDoes) {
  const CudaBackend backend;
  const std::filesystem::path model = TANDEM_SOURCE_DIR "/tests/golden/models/qwen3";
  ScorerOptions options{.dtype = DType::kF32, .max_step_tokens = 16, .threads = 1};
  SequenceScorer on_cpu(model, options);
  options.device = kCuda;
  SequenceScorer on_cuda(model, options);
  std::vector<std::vector<TokenId>> sequences;
  for (const int64_t length : {2, 9, 31}) {  // the last in two steps
    sequences.push_back(RandomTokens(on_cpu.config(), length, static_cast<uint64_t>(length)));
  }
  const auto want = on_cpu.Score(sequences);
  const auto got = on_cuda.Score(sequences);
  ASSERT_EQ(got.size(), want.size());
  for (size_t s = 0; s < want.size(); ++s) {
    ASSERT_EQ(got[s].size(), sequences[s].size() - 1);
    for (size_t i = 0; i < want[s].size(); ++i) EXPECT_NEAR(got[s][i], want[s][i], 1e-4);
  }
}

}  // namespace
}  // namespace tandem
