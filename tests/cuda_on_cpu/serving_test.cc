// The scheduler's engine loop over a model on the CUDA backend: one arithmetic in any batch, and
// what becomes of requests when the device fails.

#include <gtest/gtest.h>

#include "engine/model_runner.h"
#include "scheduler/engine_loop.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/device_memory.h"
#include "tests/cuda_on_cpu/small_models.h"
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

  static SchedulerConfig Scheduling(int64_t max_sequences, int64_t chunk) {
    SchedulerConfig scheduling;
    scheduling.max_sequences = max_sequences;
    scheduling.max_step_tokens = 64;
    scheduling.max_prefill_chunk = chunk;
    return scheduling;
  }

  // Of several lengths, greedy and drawn, the later ones with a prompt that began before.
  std::vector<std::shared_ptr<const Request>> Requests() const {
    std::vector<std::shared_ptr<const Request>> requests;
    for (int i = 0; i < 6; ++i) {
      auto request = std::make_shared<Request>();
      request->id = RequestId{static_cast<uint64_t>(i + 1)};
      request->prompt = RandomTokens(config_, 5 + 7 * i, static_cast<uint64_t>(i % 2));
      request->sampling.temperature = i % 3 == 0 ? 0.0f : 0.9f;
      if (i == 1) request->sampling.top_p = 0.8f;
      if (i == 2) request->sampling.repetition_penalty = 1.2f;
      if (i == 4) request->sampling.top_k = 20;
      request->sampling.seed = static_cast<uint64_t>(i);
      request->sampling.max_tokens = 5;
      request->sampling.ignore_eos = true;
      request->sampling.logprobs = 2;
      requests.push_back(std::move(request));
    }
    return requests;
  }

  CudaBackend backend_;
  const ModelConfig config_ = SmallDenseConfig();
};

TEST_F(CudaServing, HasTheSameBitsAloneInABatchAndInChunks) {
  const auto run = [&](int64_t max_sequences, int64_t chunk) {
    const auto runner = MakeRunner();
    EngineLoop loop(*runner, Scheduling(max_sequences, chunk));
    return RunRequests(loop, Requests());
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
  const std::vector<Transcript> transcripts = RunRequests(loop, Requests());
  cuda_on_cpu::SetDeviceFailure(0);
  for (const Transcript& transcript : transcripts) {
    EXPECT_EQ(transcript.finish, FinishReason::kFailed);
    EXPECT_EQ(transcript.num_ends, 1);
  }
}

}  // namespace
}  // namespace tandem
