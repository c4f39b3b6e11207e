// A whole model on the CUDA backend: the same forward pass, runner and scheduler as on the CPU,
// with weights, activations and cache in the device's memory, which no host code may touch.

#include <gtest/gtest.h>

#include <cmath>

#include "engine/model_runner.h"
#include "tests/cuda_on_cpu/device_memory.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/schedules.h"
#include "tests/support/print_dtype.h"
#include "tests/support/random_model.h"
#include "tests/support/runner_session.h"

namespace tandem {
namespace {

// Small, with every part of an attention model: biases, q and k norm, a window, head_dim 64.
ModelConfig DenseConfig() {
  ModelConfig config = Stories260KConfig();
  config.num_layers = 2;
  config.windows.assign(2, 0);
  return config;
}

std::unique_ptr<ModelRunner> MakeRunner(const ModelConfig& config, DType dtype, Device device) {
  ThreadPool pool(1);
  Workspace workspace;
  Context context{.pool = pool, .workspace = workspace};
  ModelRunnerOptions options{.device = device, .dtype = dtype};
  options.max_context = 128;
  options.kv_bytes = 4 << 20;
  options.max_sequences = 8;
  options.max_step_tokens = 64;
  options.num_threads = 1;
  return std::make_unique<ModelRunner>(config, RandomWeights(context, config, dtype, 5), options);
}

std::vector<TokenId> Prompt(const ModelConfig& config, int64_t length, uint64_t seed) {
  std::vector<TokenId> prompt;
  for (int64_t i = 0; i < length; ++i) {
    const auto bits = RandomBits({.seed = seed, .position = static_cast<uint64_t>(i)});
    prompt.push_back(static_cast<TokenId>(bits[0] % static_cast<uint32_t>(config.vocab_size)));
  }
  return prompt;
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

struct Case {
  std::string name;
  ModelConfig config;
  DType dtype;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class CudaModel : public testing::TestWithParam<Case> {
 protected:
  CudaBackend backend_;
};

double LargestDifference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return largest;
}

// Log-probabilities within rounding of the CPU's, whose order of sums is another.
TEST_P(CudaModel, AgreesWithTheCpu) {
  const auto on_cpu = MakeRunner(GetParam().config, GetParam().dtype, kCpuDevice);
  const auto on_cuda = MakeRunner(GetParam().config, GetParam().dtype, kCuda);
  const std::vector<TokenId> prompt = Prompt(GetParam().config, 37, 1);
  const SessionResult want = RunSession(*on_cpu, prompt, WithLogprobs(0.0f));
  const SessionResult got = RunSession(*on_cuda, prompt, WithLogprobs(0.0f));
  const double tolerance = GetParam().dtype == DType::kF32 ? 2e-5 : 0.03;
  EXPECT_LT(LargestDifference(got.prompt_logprobs, want.prompt_logprobs), tolerance);
  for (const float logprob : got.logprobs) EXPECT_TRUE(std::isfinite(logprob));
  if (GetParam().dtype == DType::kF32) {
    EXPECT_EQ(got.tokens, want.tokens);
  }
}

// One arithmetic: the same bits in chunks, and in other pages.
TEST_P(CudaModel, HasTheSameBitsInChunks) {
  const auto runner = MakeRunner(GetParam().config, GetParam().dtype, kCuda);
  const std::vector<TokenId> prompt = Prompt(GetParam().config, 37, 1);
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
  const std::vector<TokenId> prompt = Prompt(GetParam().config, 19, 2);
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
                         testing::Values(Case{"dense_f32", DenseConfig(), DType::kF32},
                                         Case{"dense_bf16", DenseConfig(), DType::kBf16},
                                         Case{"dense_i8", DenseConfig(), DType::kI8},
                                         Case{"mixture_f32", TinyMoeConfig(), DType::kF32},
                                         Case{"mixture_bf16", TinyMoeConfig(), DType::kBf16},
                                         Case{"mixture_i8", TinyMoeConfig(), DType::kI8}),
                         [](const testing::TestParamInfo<Case>& test) { return test.param.name; });

}  // namespace
}  // namespace tandem
