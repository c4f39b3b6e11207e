// Serving with steps recorded, padded and replayed: the bits of serving without, in every batch,
// and an end when the device fails.

#include <gtest/gtest.h>

#include "engine/model_runner.h"
#include "engine/warm_up.h"
#include "scheduler/engine_loop.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/device_memory.h"
#include "tests/cuda_on_cpu/page_locked.h"
#include "tests/cuda_on_cpu/serving_requests.h"
#include "tests/support/engine_client.h"
#include "tests/support/runner_session.h"

namespace tandem {
namespace {

// Heads that tensor cores take.
ModelConfig WideHeadsConfig() {
  ModelConfig config = SmallDenseConfig();
  config.head_dim = config.rope.head_dim = 64;
  return config;
}

class CudaRecordedServing : public testing::TestWithParam<ModelCase> {
 protected:
  ~CudaRecordedServing() override { cuda_on_cpu::SetDeviceFailure(0); }

  static std::unique_ptr<ModelRunner> MakeRunner(bool record_steps) {
    const ModelCase& model = GetParam();
    ModelRunnerOptions options{.device = kCuda, .dtype = model.dtype};
    options.max_context = 128;
    options.kv_bytes = 4 << 20;
    options.max_sequences = 8;
    options.max_step_tokens = 128;
    options.num_threads = 1;
    options.record_steps = record_steps;
    return std::make_unique<ModelRunner>(model.config, SmallWeights(model.config, model.dtype),
                                         options);
  }

  static std::vector<Transcript> Serve(ModelRunner& runner, int64_t max_sequences, int64_t chunk) {
    EngineLoop loop(runner, Scheduling(max_sequences, chunk));
    return RunRequests(loop, SomeRequests(GetParam().config));
  }

  static void ExpectSame(const std::vector<Transcript>& got, const std::vector<Transcript>& want) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(got[i].finish, FinishReason::kLength);
      EXPECT_EQ(got[i].tokens, want[i].tokens) << "request " << i;
      EXPECT_EQ(got[i].logprobs, want[i].logprobs) << "request " << i;
    }
  }

  CudaBackend backend_;
};

TEST_P(CudaRecordedServing, HasTheBitsOfServingWithout) {
  const auto plain = MakeRunner(false);
  const std::vector<Transcript> want = Serve(*plain, 1, 64);
  EXPECT_EQ(plain->recordings().recorded, 0);
  const auto recorded = MakeRunner(true);
  for (const auto& [max_sequences, chunk] : {std::pair{8, 64}, {1, 64}, {5, 9}}) {
    const int64_t replayed = recorded->recordings().replayed;
    ExpectSame(Serve(*recorded, max_sequences, chunk), want);
    EXPECT_GT(recorded->recordings().replayed, replayed);
  }
  EXPECT_FALSE(recorded->recordings().is_refused);
}

TEST_P(CudaRecordedServing, IsWarmWhenEveryShapeWasRecorded) {
  const auto plain = MakeRunner(false);
  WarmUp(*plain);
  const auto warm = MakeRunner(true);
  WarmUp(*warm);
  const RecordingCounts before = warm->recordings();
  EXPECT_EQ(before.held, 4);  // 1, 2, 4, 8
  ExpectSame(Serve(*warm, 8, 64), Serve(*plain, 8, 64));
  const RecordingCounts after = warm->recordings();
  EXPECT_EQ(after.recorded, before.recorded) << "a request met a shape that was not recorded";
  EXPECT_EQ(after.dropped, 0);
  EXPECT_GT(after.replayed, before.replayed);
}

// As after a preemption: in other pages, from the beginning. The table of RoPE grows on the way.
TEST_P(CudaRecordedServing, GoesOnWithTheSameBitsWhenItWasComputedAgain) {
  const auto runner = MakeRunner(true);
  std::vector<TokenId> history = RandomTokens(GetParam().config, 60, 3);
  SessionOptions options;
  options.max_new_tokens = 8;
  options.sampling.temperature = 0.9f;
  const SessionResult want = RunSession(*runner, history, options);
  const int64_t replayed = runner->recordings().replayed;
  history.insert(history.end(), want.tokens.begin(), want.tokens.begin() + 4);
  options.max_new_tokens = 4;
  options.first_page = 7;
  const SessionResult got = RunSession(*runner, history, options);
  EXPECT_EQ(got.tokens, std::vector(want.tokens.begin() + 4, want.tokens.end()));
  EXPECT_EQ(got.logprobs, std::vector(want.logprobs.begin() + 4, want.logprobs.end()));
  EXPECT_GT(runner->recordings().replayed, replayed);
}

// What a large step leaves behind: a workspace and staging memory that are elsewhere.
TEST_P(CudaRecordedServing, RecordsAnewWhenMemoryHasMoved) {
  const auto plain = MakeRunner(false);
  const auto recorded = MakeRunner(true);
  const std::vector<TokenId> prompt = RandomTokens(GetParam().config, 90, 3);
  SessionOptions drawing;
  drawing.max_new_tokens = 5;
  drawing.sampling.temperature = 0.9f;
  SessionOptions reporting = drawing;  // 89 rows of logits: two rounds
  reporting.sampling.prompt_logprobs = 3;
  reporting.sampling.logprobs = 3;
  for (const SessionOptions& options : {drawing, reporting, drawing}) {
    const SessionResult want = RunSession(*plain, prompt, options);
    const SessionResult got = RunSession(*recorded, prompt, options);
    EXPECT_EQ(got.tokens, want.tokens);
    EXPECT_EQ(got.logprobs, want.logprobs);
    EXPECT_EQ(got.prompt_logprobs, want.prompt_logprobs);
  }
  EXPECT_GE(recorded->recordings().dropped, 1);
  EXPECT_GT(recorded->recordings().recorded, recorded->recordings().held);
}

TEST_P(CudaRecordedServing, EndsWithTheDeviceAndGivesItsMemoryBack) {
  const size_t on_device = cuda_on_cpu::DeviceBytesInUse();
  const size_t on_host = cuda_on_cpu::PageLockedBytesInUse();
  {
    const auto runner = MakeRunner(true);
    const std::vector<TokenId> prompt = RandomTokens(GetParam().config, 9, 3);
    SessionOptions options;
    options.max_new_tokens = 4;
    const SessionResult want = RunSession(*runner, prompt, options);
    EXPECT_GT(runner->recordings().held, 0);
    cuda_on_cpu::SetDeviceFailure(700);
    EXPECT_THROW(RunSession(*runner, prompt, options), DeviceError);
    cuda_on_cpu::SetDeviceFailure(0);
    EXPECT_EQ(RunSession(*runner, prompt, options).tokens, want.tokens);
    cuda_on_cpu::SetDeviceFailure(700);
    EXPECT_THROW(RunSession(*runner, prompt, options), DeviceError);
  }
  EXPECT_EQ(cuda_on_cpu::DeviceBytesInUse(), on_device);
  EXPECT_EQ(cuda_on_cpu::PageLockedBytesInUse(), on_host);
}

INSTANTIATE_TEST_SUITE_P(
    Models, CudaRecordedServing,
    testing::Values(ModelCase{"dense_bf16", SmallDenseConfig(), DType::kBf16},
                    ModelCase{"wide_heads_bf16", WideHeadsConfig(), DType::kBf16},
                    ModelCase{"dense_i8", SmallDenseConfig(), DType::kI8},
                    ModelCase{"mixture_f32", TinyMoeConfig(), DType::kF32}),
    [](const testing::TestParamInfo<ModelCase>& test) { return test.param.name; });

}  // namespace
}  // namespace tandem
