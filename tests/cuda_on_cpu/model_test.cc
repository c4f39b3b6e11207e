// A whole model on the CUDA backend: the same forward pass, runner and scheduler as on the CPU,
// with weights, activations and cache in the device's memory, which no host code may touch.

#include <gtest/gtest.h>

#include <cmath>

#include "engine/model_runner.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/device_memory.h"
#include "tests/cuda_on_cpu/schedules.h"
#include "tests/cuda_on_cpu/small_models.h"
#include "tests/support/runner_session.h"

namespace tandem {
namespace {

std::unique_ptr<ModelRunner> MakeRunner(const ModelConfig& config, DType dtype, Device device) {
  ModelRunnerOptions options{.device = device, .dtype = dtype};
  options.max_context = 128;
  options.kv_bytes = 4 << 20;
  options.max_sequences = 8;
  options.max_step_tokens = 64;
  options.num_threads = 1;
  return std::make_unique<ModelRunner>(config, SmallWeights(config, dtype), options);
}

SessionOptions WithLogprobs(float temperature) {
  SessionOptions options;
  options.max_new_tokens = 4;
  options.sampling.temperature = temperature;
  options.sampling.seed = 7;
  options.sampling.logprobs = 0;
  options.sampling.prompt_logprobs = 0;
  return options;
}

class CudaModel : public testing::TestWithParam<ModelCase> {
 protected:
  CudaBackend backend_;
};

size_t NumApart(const std::vector<float>& a, const std::vector<float>& b, double tolerance) {
  EXPECT_EQ(a.size(), b.size());
  size_t count = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    if (!(std::abs(difference) <= tolerance)) ++count;
  }
  return count;
}

// Log-probabilities within rounding of the CPU's, whose order of sums is another.
TEST_P(CudaModel, AgreesWithTheCpu) {
  const auto on_cpu = MakeRunner(GetParam().config, GetParam().dtype, kCpuDevice);
  const auto on_cuda = MakeRunner(GetParam().config, GetParam().dtype, kCuda);
  const std::vector<TokenId> prompt = RandomTokens(GetParam().config, 37, 1);
  const SessionResult want = RunSession(*on_cpu, prompt, WithLogprobs(0.0f));
  const SessionResult got = RunSession(*on_cuda, prompt, WithLogprobs(0.0f));
  const double tolerance = GetParam().dtype == DType::kF32 ? 2e-5 : 0.03;
  // Where an activation falls between two numbers of bf16, a mixture may choose another expert for
  // one token, which then differs by much, and those that see it by little.
  const bool may_choose = GetParam().config.moe.num_experts > 0 && GetParam().dtype != DType::kF32;
  const size_t num_allowed = may_choose ? 4 : 0;
  EXPECT_LE(NumApart(got.prompt_logprobs, want.prompt_logprobs, tolerance), num_allowed);
  for (const float logprob : got.logprobs) EXPECT_TRUE(std::isfinite(logprob));
  if (GetParam().dtype == DType::kF32) {
    EXPECT_EQ(got.tokens, want.tokens);
  }
}

// One arithmetic: the same bits in chunks, and in other pages.
TEST_P(CudaModel, HasTheSameBitsInChunks) {
  const auto runner = MakeRunner(GetParam().config, GetParam().dtype, kCuda);
  const std::vector<TokenId> prompt = RandomTokens(GetParam().config, 37, 1);
  const SessionResult want = RunSession(*runner, prompt, WithLogprobs(0.8f));
  SessionOptions options = WithLogprobs(0.8f);
  options.chunk = 5;
  options.first_page = 9;
  const SessionResult got = RunSession(*runner, prompt, options);
  EXPECT_EQ(got.tokens, want.tokens);
  EXPECT_EQ(got.logprobs, want.logprobs);
  EXPECT_EQ(got.prompt_logprobs, want.prompt_logprobs);
}

TEST_P(CudaModel, HasTheSameBitsInEverySchedule) {
  const std::vector<TokenId> prompt = RandomTokens(GetParam().config, 19, 2);
  std::optional<SessionResult> want;
  for (const cuda_on_cpu::Schedule& schedule : AllSchedules()) {
    SCOPED_TRACE(Describe(schedule));
    cuda_on_cpu::SetSchedule(schedule);
    const auto runner = MakeRunner(GetParam().config, GetParam().dtype, kCuda);
    SessionOptions options = WithLogprobs(0.8f);
    options.max_new_tokens = 2;
    const SessionResult got = RunSession(*runner, prompt, options);
    if (!want) want = got;
    EXPECT_EQ(got.tokens, want->tokens);
    EXPECT_EQ(got.logprobs, want->logprobs);
    EXPECT_EQ(got.prompt_logprobs, want->prompt_logprobs);
  }
}

TEST_P(CudaModel, GivesItsMemoryBack) {
  const size_t before = cuda_on_cpu::DeviceBytesInUse();
  {
    const auto runner = MakeRunner(GetParam().config, GetParam().dtype, kCuda);
    const MemoryReport memory = runner->memory();
    EXPECT_GE(cuda_on_cpu::DeviceBytesInUse() - before,
              static_cast<size_t>(memory.weight_bytes + memory.activation_bytes + memory.kv_bytes));
  }
  EXPECT_EQ(cuda_on_cpu::DeviceBytesInUse(), before);
}

INSTANTIATE_TEST_SUITE_P(Models, CudaModel,
                         testing::Values(ModelCase{"dense_f32", SmallDenseConfig(), DType::kF32},
                                         ModelCase{"dense_bf16", SmallDenseConfig(), DType::kBf16},
                                         ModelCase{"dense_f16", SmallDenseConfig(), DType::kF16},
                                         ModelCase{"dense_i8", SmallDenseConfig(), DType::kI8},
                                         ModelCase{"mixture_f32", TinyMoeConfig(), DType::kF32},
                                         ModelCase{"mixture_bf16", TinyMoeConfig(), DType::kBf16},
                                         ModelCase{"mixture_i8", TinyMoeConfig(), DType::kI8}),
                         [](const testing::TestParamInfo<ModelCase>& test) {
                           return test.param.name;
                         });

}  // namespace
}  // namespace tandem
