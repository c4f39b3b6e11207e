// Steps that are launched while the one before is under way: tokens and log-probabilities have the
// bits of steps one after another, whoever joins, leaves or fails.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "engine/model_runner.h"
#include "engine/warm_up.h"
#include "kernels/core/error.h"
#include "scheduler/engine_loop.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/device_memory.h"
#include "tests/cuda_on_cpu/page_locked.h"
#include "tests/cuda_on_cpu/serving_requests.h"
#include "tests/support/engine_client.h"

namespace tandem {
namespace {

// How steps are run.
struct Way {
  bool record = false;
  bool overlap = false;
};

std::unique_ptr<ModelRunner> MakeRunner(const ModelConfig& config, const Way& way) {
  ModelRunnerOptions options{.device = kCuda, .dtype = DType::kBf16};
  options.max_context = 128;
  options.kv_bytes = 4 << 20;
  options.max_sequences = 8;
  options.max_step_tokens = 128;
  options.num_threads = 1;
  options.record_steps = way.record;
  options.overlap_steps = way.overlap;
  return std::make_unique<ModelRunner>(config, SmallWeights(config, DType::kBf16), options);
}

// What one sequence is told.
struct Told {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  std::vector<std::pair<TokenId, float>> top;
  friend bool operator==(const Told&, const Told&) = default;
};

// Sequences that are computed side by side, a scheduler's part played by hand: whole prompts first,
// then a token a step, until each has its number of tokens.
class SideBySide {
 public:
  struct Member {
    std::vector<TokenId> history;
    int64_t num_prompt = 0;
    int64_t num_wanted = 0;  // tokens
    SamplingParams sampling;
    std::vector<TokenId> eos_ids;
    std::vector<PageId> pages;
    int64_t num_launched = 0;  // draws
    Told told;
  };

  explicit SideBySide(std::vector<Member> members) : members_(std::move(members)) {
    PageId page = 0;
    for (Member& member : members_) {
      member.num_prompt = static_cast<int64_t>(member.history.size());
      const int64_t num_pages = (member.num_prompt + member.num_wanted + 15) / 16;
      for (int64_t i = 0; i < num_pages; ++i) member.pages.push_back(page++);
    }
  }

  std::vector<Told> Run(Runner& runner) {
    std::vector<size_t> first = NextStep({});
    while (!first.empty()) {
      runner.Run(batch_, result_);
      Take(first);
      first = NextStep({});
    }
    return AllTold();
  }

  std::vector<Told> RunOverlapping(Runner& runner) {
    std::vector<size_t> before = NextStep({});
    runner.Launch(batch_);
    while (!before.empty()) {
      const std::vector<size_t> ahead = NextStep(before);
      if (!ahead.empty()) runner.Launch(batch_);
      batch_.sequences.clear();
      runner.Await(result_);
      Take(before);
      before = ahead;
    }
    return AllTold();
  }

 private:
  // Who is in the step after that of `before`, whose draws are pending; fills batch_.
  std::vector<size_t> NextStep(const std::vector<size_t>& before) {
    batch_.sequences.clear();
    std::vector<size_t> step;
    for (size_t i = 0; i < members_.size(); ++i) {
      Member& member = members_[i];
      if (member.num_launched == member.num_wanted) continue;
      const auto at = std::find(before.begin(), before.end(), i);
      const int64_t total = member.num_prompt + member.num_launched;
      const int64_t count = member.num_launched == 0 ? total : 1;
      batch_.sequences.push_back(
          {.history = member.history,
           .num_prompt = member.num_prompt,
           .first = total - count,
           .count = count,
           .pages = std::span(member.pages).first(static_cast<size_t>((total + 15) / 16)),
           .sampling = &member.sampling,
           .eos_ids = member.eos_ids,
           .sample = true,
           .follows = at == before.end() ? -1 : static_cast<int32_t>(at - before.begin())});
      ++member.num_launched;
      step.push_back(i);
    }
    return step;
  }

  void Take(const std::vector<size_t>& step) {
    for (size_t i = 0; i < step.size(); ++i) {
      Member& member = members_[step[i]];
      const ScoredToken& sampled = *result_.sequences[i].sampled;
      member.told.tokens.push_back(sampled.token.id);
      member.told.logprobs.push_back(sampled.token.logprob);
      for (const TokenLogprob& top : sampled.top) member.told.top.emplace_back(top.id, top.logprob);
      member.history.push_back(std::max(sampled.token.id, 0));
    }
  }

  std::vector<Told> AllTold() const {
    std::vector<Told> told;
    for (const Member& member : members_) told.push_back(member.told);
    return told;
  }

  std::vector<Member> members_;
  StepBatch batch_;
  StepResult result_;
};

// Of all that sampling has, but penalties; they leave at several times.
std::vector<SideBySide::Member> SomeMembers(const ModelConfig& config) {
  std::vector<SideBySide::Member> members;
  for (int i = 0; i < 7; ++i) {
    SideBySide::Member member;
    member.history = RandomTokens(config, 3 + 5 * i, static_cast<uint64_t>(i));
    member.num_wanted = 4 + 3 * ((i * 3) % 7);
    member.sampling.temperature = i == 0 ? 0.0f : 0.9f;
    member.sampling.seed = static_cast<uint64_t>(i);
    if (i == 1) member.sampling.top_p = 0.8f;
    if (i == 2) member.sampling.top_k = 20;
    if (i == 3) member.sampling.logit_bias = {{.id = 7, .bias = 3.0f}, {.id = 9, .bias = -100.0f}};
    if (i == 4) member.sampling.min_p = 0.05f;
    if (i == 5) {  // the first half of the vocabulary, for some tokens
      member.sampling.min_tokens = 4;
      for (TokenId id = 0; id < config.vocab_size / 2; ++id) member.eos_ids.push_back(id);
    }
    if (i % 2 == 1) member.sampling.logprobs = i;
    members.push_back(std::move(member));
  }
  return members;
}

class CudaOverlappingSteps : public testing::TestWithParam<bool> {  // recorded
 protected:
  ~CudaOverlappingSteps() override { cuda_on_cpu::SetDeviceFailure(0); }

  std::unique_ptr<ModelRunner> Make(bool overlap) const {
    return MakeRunner(config_, {.record = GetParam(), .overlap = overlap});
  }

  CudaBackend backend_;
  const ModelConfig config_ = SmallDenseConfig();
};

TEST_P(CudaOverlappingSteps, HaveTheBitsOfStepsOneAfterAnother) {
  const auto plain = MakeRunner(config_, {});
  EXPECT_FALSE(plain->overlaps());
  const std::vector<Told> want = SideBySide(SomeMembers(config_)).Run(*plain);
  const auto runner = Make(true);
  EXPECT_TRUE(runner->overlaps());
  for (int time = 0; time < 2; ++time) {
    const std::vector<Told> got = SideBySide(SomeMembers(config_)).RunOverlapping(*runner);
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(got[i].tokens, want[i].tokens) << "sequence " << i;
      EXPECT_TRUE(got[i] == want[i]) << "sequence " << i;
    }
  }
  EXPECT_EQ(runner->recordings().replayed > 0, GetParam());
  EXPECT_EQ(SideBySide(SomeMembers(config_)).Run(*runner), want);
}

// Pending tokens want no other memory than others, so what was recorded stays.
TEST_P(CudaOverlappingSteps, DropNoRecording) {
  const auto runner = Make(true);
  WarmUp(*runner);
  const RecordingCounts before = runner->recordings();
  SideBySide(SomeMembers(config_)).RunOverlapping(*runner);
  EXPECT_EQ(runner->recordings().recorded, before.recorded);
  EXPECT_EQ(runner->recordings().dropped, before.dropped);
}

// Nothing can be drawn for the second, of which every id is banned: what is computed after that
// means nothing, and the others do not notice.
TEST_P(CudaOverlappingSteps, GoOnBesideATokenThatCouldNotBeDrawn) {
  const auto members = [&](bool is_broken) {
    std::vector<SideBySide::Member> some = SomeMembers(config_);
    some.resize(3);
    if (is_broken) {
      some[1].sampling.min_tokens = 100;
      for (TokenId id = 0; id < config_.vocab_size; ++id) some[1].eos_ids.push_back(id);
    }
    return some;
  };
  const auto runner = Make(true);
  const std::vector<Told> want = SideBySide(members(false)).RunOverlapping(*runner);
  const std::vector<Told> got = SideBySide(members(true)).RunOverlapping(*runner);
  EXPECT_EQ(got[0], want[0]);
  EXPECT_EQ(got[2], want[2]);
  EXPECT_EQ(got[1].tokens, std::vector<TokenId>(want[1].tokens.size(), -1));
}

// Rooms for what a step gives back are two in turn, also where the next step wants more of it.
TEST_P(CudaOverlappingSteps, MayHaveNothingToDoWithEachOther) {
  const auto reporting = [&] {
    SideBySide::Member member;
    member.history = RandomTokens(config_, 90, 3);
    member.num_wanted = 1;
    member.sampling.logprobs = 5;
    return member;
  };
  const auto runner = Make(true);
  const std::vector<Told> want_small = SideBySide({SomeMembers(config_)[1]}).Run(*runner);
  const std::vector<Told> want_large = SideBySide({reporting()}).Run(*runner);

  const auto fresh = Make(true);
  const SideBySide::Member small = SomeMembers(config_)[1], large = reporting();
  std::vector<PageId> pages = {20, 21, 22, 23, 24, 25};
  const auto batch = [&](const SideBySide::Member& member, bool with_prompt, size_t first_page) {
    const auto count = static_cast<int64_t>(member.history.size());
    return StepBatch{.sequences = {{.history = member.history,
                                    .num_prompt = count,
                                    .count = count,
                                    .pages = std::span(pages).subspan(first_page),
                                    .sampling = &member.sampling,
                                    .sample = true,
                                    .prompt_logprobs = with_prompt}}};
  };
  StepResult first, second;
  fresh->Launch(batch(small, false, 5));
  fresh->Launch(batch(large, true, 0));
  fresh->Await(first);
  fresh->Await(second);
  EXPECT_EQ(first.sequences[0].sampled->token.id, want_small[0].tokens[0]);
  EXPECT_EQ(first.sequences[0].sampled->token.logprob, want_small[0].logprobs[0]);
  EXPECT_EQ(second.sequences[0].sampled->token.id, want_large[0].tokens[0]);
  EXPECT_EQ(second.sequences[0].sampled->token.logprob, want_large[0].logprobs[0]);
  EXPECT_EQ(second.sequences[0].sampled->top.size(), 5u);
  EXPECT_EQ(second.sequences[0].prompt.size(), 89u);
}

TEST_P(CudaOverlappingSteps, RefuseWhatTheyCannotDo) {
  const auto runner = Make(true);
  const std::vector<TokenId> history = RandomTokens(config_, 9, 3);
  const std::vector<PageId> pages = {0, 1};
  SamplingParams sampling;
  StepBatch prompt{.sequences = {{.history = history,
                                  .num_prompt = 9,
                                  .count = 9,
                                  .pages = pages,
                                  .sampling = &sampling,
                                  .sample = true}}};
  StepBatch next = prompt;
  next.sequences[0].first = 9;
  next.sequences[0].count = 1;
  next.sequences[0].follows = 0;
  StepResult result;
  EXPECT_THROW(runner->Await(result), InternalError);
  EXPECT_THROW(runner->Launch(next), InternalError);  // nothing to follow
  runner->Launch(prompt);
  EXPECT_THROW(runner->Run(prompt, result), InternalError);
  runner->Launch(next);
  EXPECT_THROW(runner->Launch(next), InternalError);   // a third
  EXPECT_THROW(runner->Await(result), InternalError);  // which forgot the others

  runner->Launch(prompt);
  next.sequences[0].follows = 1;
  EXPECT_THROW(runner->Launch(next), InternalError);  // there is none
  prompt.sequences[0].sample = false;
  next.sequences[0].follows = 0;
  runner->Launch(prompt);
  EXPECT_THROW(runner->Launch(next), InternalError);  // it does not draw
  prompt.sequences[0].sample = true;
  SamplingParams with_penalty;
  with_penalty.frequency_penalty = 0.1f;
  next.sequences[0].sampling = &with_penalty;
  runner->Launch(prompt);
  EXPECT_THROW(runner->Launch(next), InternalError);
  next.sequences[0].sampling = &sampling;
  next.sequences.push_back(prompt.sequences[0]);
  next.sequences[1].prompt_logprobs = true;
  runner->Launch(prompt);
  EXPECT_THROW(runner->Launch(next), InternalError);

  const auto alone = Make(false);
  alone->Launch(prompt);
  EXPECT_THROW(alone->Launch(prompt), InternalError);
}

TEST_P(CudaOverlappingSteps, EndWithTheDeviceAndGiveItsMemoryBack) {
  const size_t on_device = cuda_on_cpu::DeviceBytesInUse();
  const size_t on_host = cuda_on_cpu::PageLockedBytesInUse();
  {
    const auto runner = Make(true);
    const std::vector<Told> want = SideBySide(SomeMembers(config_)).RunOverlapping(*runner);
    cuda_on_cpu::SetDeviceFailure(700);
    EXPECT_THROW(SideBySide(SomeMembers(config_)).RunOverlapping(*runner), DeviceError);
    cuda_on_cpu::SetDeviceFailure(0);
    EXPECT_EQ(SideBySide(SomeMembers(config_)).RunOverlapping(*runner), want);

    // Two are under way when it fails, and when the runner goes.
    const std::vector<TokenId> history = RandomTokens(config_, 9, 3);
    const std::vector<PageId> pages = {0, 1};
    const SamplingParams sampling;
    StepBatch batch{.sequences = {{.history = history,
                                   .num_prompt = 9,
                                   .count = 9,
                                   .pages = pages,
                                   .sampling = &sampling,
                                   .sample = true}}};
    StepResult result;
    runner->Launch(batch);
    runner->Launch(batch);
    cuda_on_cpu::SetDeviceFailure(700);
    EXPECT_THROW(runner->Await(result), DeviceError);
    cuda_on_cpu::SetDeviceFailure(0);
    EXPECT_THROW(runner->Await(result), InternalError);
    EXPECT_EQ(SideBySide(SomeMembers(config_)).RunOverlapping(*runner), want);
    runner->Launch(batch);
    runner->Launch(batch);
  }
  EXPECT_EQ(cuda_on_cpu::DeviceBytesInUse(), on_device);
  EXPECT_EQ(cuda_on_cpu::PageLockedBytesInUse(), on_host);
}

// Counts how often a step is launched while another is under way.
class CountingRunner : public Runner {
 public:
  explicit CountingRunner(Runner& runner) : runner_(runner) {}
  const RunnerLimits& limits() const override { return runner_.limits(); }
  bool overlaps() const override { return runner_.overlaps(); }
  void Run(const StepBatch& batch, StepResult& result) override { runner_.Run(batch, result); }
  void Launch(const StepBatch& batch) override {
    runner_.Launch(batch);
    if (++num_under_way_ == 2) ++num_ahead;
  }
  void Await(StepResult& result) override {
    runner_.Await(result);
    --num_under_way_;
  }
  std::atomic<int64_t> num_ahead = 0;

 private:
  Runner& runner_;
  int num_under_way_ = 0;
};

// Of several lengths, which join and leave; one has penalties, some end by a stop token.
std::vector<std::shared_ptr<const Request>> ServedRequests(const ModelConfig& config,
                                                           const std::vector<Transcript>& before) {
  std::vector<std::shared_ptr<const Request>> requests;
  for (int i = 0; i < 9; ++i) {
    auto request = std::make_shared<Request>();
    request->id = RequestId{static_cast<uint64_t>(i + 1)};
    request->prompt = RandomTokens(config, 5 + 6 * i, static_cast<uint64_t>(i % 2));
    request->sampling.temperature = i % 3 == 0 ? 0.0f : 0.9f;
    if (i == 1) request->sampling.top_p = 0.8f;
    if (i == 4) request->sampling.top_k = 20;
    if (i == 5) request->sampling.presence_penalty = 0.5f;
    request->sampling.seed = static_cast<uint64_t>(i);
    request->sampling.max_tokens = 6 + 5 * (i % 4);
    request->sampling.logprobs = 2;
    if (!before.empty() && i % 2 == 0) {
      request->eos_ids = {before[static_cast<size_t>(i)].tokens[3 + static_cast<size_t>(i) / 2]};
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

TEST_P(CudaOverlappingSteps, ServeTheSameTokens) {
  const auto plain = MakeRunner(config_, {});
  const auto runner = Make(true);
  std::vector<Transcript> whole;
  for (const bool with_ends : {false, true}) {
    const auto requests = ServedRequests(config_, with_ends ? whole : std::vector<Transcript>());
    EngineLoop plain_loop(*plain, Scheduling(1, 64));
    const std::vector<Transcript> want = RunRequests(plain_loop, requests);
    if (!with_ends) whole = want;
    for (const auto& [max_sequences, chunk] : {std::pair{8, 64}, {1, 64}, {3, 9}}) {
      CountingRunner counting(*runner);
      EngineLoop loop(counting, Scheduling(max_sequences, chunk));
      const std::vector<Transcript> got = RunRequests(loop, requests);
      EXPECT_GT(counting.num_ahead, 10);
      for (size_t i = 0; i < want.size(); ++i) {
        EXPECT_EQ(got[i].finish, want[i].finish) << "request " << i;
        EXPECT_EQ(got[i].num_ends, 1) << "request " << i;
        EXPECT_EQ(got[i].tokens, want[i].tokens) << "request " << i;
        EXPECT_EQ(got[i].logprobs, want[i].logprobs) << "request " << i;
      }
      const EngineStats stats = loop.Stats();
      EXPECT_EQ(stats.num_free_pages + stats.num_cached_pages, stats.num_pages);
    }
    if (with_ends) {
      EXPECT_EQ(want[0].finish, FinishReason::kStop);
      EXPECT_EQ(want[1].finish, FinishReason::kLength);
    }
  }
}

// Every request ends, once, and says that it failed; the runner can be used when the device can.
TEST_P(CudaOverlappingSteps, FailWhatIsUnderWayWhenTheDeviceFails) {
  const auto runner = Make(true);
  const auto requests = ServedRequests(config_, {});
  EngineLoop loop(*runner, Scheduling(8, 64));
  const std::vector<Transcript> want = RunRequests(loop, requests);
  cuda_on_cpu::SetDeviceFailure(700);
  auto one = std::vector{requests[0]};
  EXPECT_EQ(RunRequests(loop, one)[0].finish, FinishReason::kFailed);
  cuda_on_cpu::SetDeviceFailure(0);
  EXPECT_TRUE(loop.Healthy());
  EXPECT_EQ(RunRequests(loop, one)[0].tokens, want[0].tokens);
}

INSTANTIATE_TEST_SUITE_P(Ways, CudaOverlappingSteps, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& test) {
                           return test.param ? "recorded" : "plain";
                         });

TEST(OverlappingSteps, AreNoneOnTheCpu) {
  const ModelConfig config = SmallDenseConfig();
  ModelRunnerOptions options{.dtype = DType::kBf16, .max_context = 64, .kv_bytes = 1 << 20};
  options.num_threads = 1;
  const ModelRunner runner(config, SmallWeights(config, DType::kBf16), options);
  EXPECT_FALSE(runner.overlaps());
}

}  // namespace
}  // namespace tandem
