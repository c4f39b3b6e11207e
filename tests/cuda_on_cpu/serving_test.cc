// The scheduler's engine loop over a model on the CUDA backend: one arithmetic in any batch, and
// what becomes of requests when the device fails.

#include <gtest/gtest.h>

#include "engine/model_runner.h"
#include "scheduler/engine_loop.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/device_memory.h"
#include "tests/cuda_on_cpu/serving_requests.h"
#include "tests/support/engine_client.h"

namespace tandem {
namespace {

class CudaServing : public testing::Test {
 protected:
  std::unique_ptr<ModelRunner> MakeRunner() const {
    ModelRunnerOptions options{.device = kCuda, .dtype = DType::kBf16};
    options.max_context = 128;
    options.kv_bytes = 4 << 20;
    options.max_sequences = 8;
    options.max_step_tokens = 64;
    options.num_threads = 1;
    return std::make_unique<ModelRunner>(config_, SmallWeights(config_, DType::kBf16), options);
  }

  CudaBackend backend_;
  const ModelConfig config_ = SmallDenseConfig();
};

TEST_F(CudaServing, HasTheSameBitsAloneInABatchAndInChunks) {
  const auto run = [&](int64_t max_sequences, int64_t chunk) {
    const auto runner = MakeRunner();
    EngineLoop loop(*runner, Scheduling(max_sequences, chunk));
    return RunRequests(loop, SomeRequests(config_));
  };
  const std::vector<Transcript> alone = run(1, 64);
  for (const Transcript& transcript : alone) {
    ASSERT_EQ(transcript.finish, FinishReason::kLength);
    ASSERT_EQ(transcript.tokens.size(), 5u);
  }
  for (const std::vector<Transcript>& other : {run(8, 64), run(8, 9)}) {
    for (size_t i = 0; i < alone.size(); ++i) {
      EXPECT_EQ(other[i].tokens, alone[i].tokens) << "request " << i;
      EXPECT_EQ(other[i].logprobs, alone[i].logprobs) << "request " << i;
    }
  }
}

// Every request ends, once, and says that it failed.
TEST_F(CudaServing, FailsWhatIsInFlightWhenTheDeviceFails) {
  const auto runner = MakeRunner();
  EngineLoop loop(*runner, Scheduling(8, 64));
  cuda_on_cpu::SetDeviceFailure(700);
  const std::vector<Transcript> transcripts = RunRequests(loop, SomeRequests(config_));
  cuda_on_cpu::SetDeviceFailure(0);
  for (const Transcript& transcript : transcripts) {
    EXPECT_EQ(transcript.finish, FinishReason::kFailed);
    EXPECT_EQ(transcript.num_ends, 1);
  }
}

}  // namespace
}  // namespace tandem
