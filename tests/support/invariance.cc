#include "tests/support/invariance.h"

#include <algorithm>
#include <bit>
#include <memory>

#include "engine/model_runner.h"
#include "kernels/core/random.h"
#include "scheduler/engine_loop.h"
#include "tests/support/engine_client.h"
#include "tests/support/random_model.h"

namespace tandem {
namespace {

using Requests = std::vector<std::shared_ptr<const Request>>;

// Requests of all kinds: greedy and sampled, with penalties and truncation, short and long.
Requests MixedRequests(const ModelConfig& config, const InvarianceWorkload& workload,
                       bool prompt_logprobs) {
  Requests requests;
  for (int i = 0; i < workload.num_requests; ++i) {
    const auto bits = RandomBits({.seed = 11, .position = static_cast<uint64_t>(i)});
    auto request = std::make_shared<Request>();
    request->id = RequestId{static_cast<uint64_t>(i + 1)};
    const int64_t length = 1 + bits[0] % workload.max_prompt;
    for (int64_t t = 0; t < length; ++t) {
      // Every fourth request starts with the same tokens, so that the prefix cache has work.
      const uint64_t stream = i % 4 == 0 ? 0 : static_cast<uint64_t>(i);
      const auto draw = RandomBits({.seed = 12,
                                    .choice = static_cast<uint32_t>(stream),
                                    .position = static_cast<uint64_t>(t)});
      request->prompt.push_back(static_cast<TokenId>(draw[0] % config.vocab_size));
    }
    SamplingParams& sampling = request->sampling;
    sampling.temperature = i % 3 == 0 ? 0.0f : 0.9f;
    if (i % 5 == 1) sampling.top_k = 40;
    if (i % 5 == 2) sampling.top_p = 0.9f;
    if (i % 5 == 3) sampling.min_p = 0.02f;
    if (i % 7 == 2) sampling.repetition_penalty = 1.2f;
    if (i % 7 == 4) sampling.presence_penalty = 0.5f;
    sampling.seed = 1000u + static_cast<uint64_t>(i);
    sampling.max_tokens = 1 + bits[1] % workload.max_new;
    sampling.ignore_eos = true;
    sampling.logprobs = 0;
    if (prompt_logprobs) sampling.prompt_logprobs = 0;
    request->priority = static_cast<int32_t>(bits[2] % 3);
    requests.push_back(std::move(request));
  }
  return requests;
}

struct Setting {
  std::string name;
  int num_threads = 2;
  int64_t max_sequences = 64;
  int64_t chunk = 1024;
  int64_t num_pages = 0;  // 0: plenty
};

std::unique_ptr<ModelRunner> MakeRunner(const InvarianceSubject& subject, const Setting& setting) {
  const ModelConfig& config = subject.config;
  ModelRunnerOptions options;
  options.device = subject.device;
  options.dtype = subject.dtype;
  options.isa = subject.isa;
  options.num_threads = setting.num_threads;
  options.max_context = 256;
  options.max_sequences = setting.max_sequences;
  options.max_step_tokens = 1024;
  const bool wide = subject.dtype == DType::kF32 || subject.dtype == DType::kF16;
  const int64_t page_bytes = KvLayout{config.num_layers, config.num_kv_heads, config.head_dim,
                                      wide ? DType::kF32 : DType::kBf16}
                                 .page_bytes();
  options.kv_bytes = page_bytes * (setting.num_pages > 0 ? setting.num_pages : 64 * 16);
  ThreadPool pool(AvailableProcessors());
  Workspace workspace;
  Context context{.pool = pool, .isa = subject.isa, .workspace = workspace};
  return std::make_unique<ModelRunner>(config, RandomWeights(context, config, subject.dtype, 5),
                                       options);
}

SchedulerConfig Scheduling(const Setting& setting, bool prefix_caching) {
  SchedulerConfig scheduling;
  scheduling.max_sequences = setting.max_sequences;
  scheduling.max_step_tokens = 1024;
  scheduling.max_prefill_chunk = setting.chunk;
  scheduling.prefix_caching = prefix_caching;
  return scheduling;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](float x, float y) {
           return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
         });
}

// Compares what requests were told with what they were told alone, and keeps the differences.
class Comparison {
 public:
  explicit Comparison(std::vector<Transcript> alone) : alone_(std::move(alone)) {}

  void Compare(const std::string& setting, const std::vector<Transcript>& got,
               bool prompt_logprobs = true) {
    for (size_t i = 0; i < alone_.size(); ++i) {
      const std::string at = setting + ", request " + std::to_string(i) + ": ";
      const Transcript& want = alone_[i];
      if (got[i].num_ends != 1) Add(at + std::to_string(got[i].num_ends) + " ends");
      if (got[i].finish != FinishReason::kLength) Add(at + "ends for another reason");
      if (got[i].tokens != want.tokens) Add(at + "other tokens");
      if (!SameBits(got[i].logprobs, want.logprobs)) Add(at + "other log-probabilities");
      if (prompt_logprobs && !SameBits(got[i].prompt_logprobs, want.prompt_logprobs)) {
        Add(at + "other log-probabilities of the prompt");
      }
    }
  }
  // What the settings are there for has to happen.
  void Expect(bool happened, const std::string& what) {
    if (!happened) Add(what);
  }
  std::vector<std::string> TakeErrors() { return std::move(errors_); }

 private:
  void Add(const std::string& error) { errors_.push_back(error); }

  std::vector<Transcript> alone_;
  std::vector<std::string> errors_;
};

std::vector<Transcript> RunAlone(const InvarianceSubject& subject, const Requests& requests,
                                 int num_threads) {
  const Setting setting{.num_threads = num_threads, .max_sequences = 1};
  const auto runner = MakeRunner(subject, setting);
  EngineLoop loop(*runner, Scheduling(setting, false));
  return RunRequests(loop, requests);
}

void CompareBatches(const InvarianceSubject& subject, const Requests& requests, int num_threads,
                    const std::vector<int64_t>& chunks, Comparison& comparison) {
  Setting setting{.num_threads = num_threads};
  const auto runner = MakeRunner(subject, setting);
  for (const int64_t chunk : chunks) {
    setting.chunk = chunk;
    EngineLoop loop(*runner, Scheduling(setting, false));
    comparison.Compare("in chunks of " + std::to_string(chunk) + " on " +
                           std::to_string(num_threads) + " threads",
                       RunRequests(loop, requests));
  }
}

// A pool in which about four sequences fit: the others are preempted and recompute.
void ComparePreempted(const InvarianceSubject& subject, const InvarianceWorkload& workload,
                      const Requests& requests, Comparison& comparison) {
  const Setting small{.num_pages = 4 * (workload.max_prompt + workload.max_new + 15) / 16};
  const auto runner = MakeRunner(subject, small);
  EngineLoop loop(*runner, Scheduling(small, false));
  comparison.Compare("preempted", RunRequests(loop, requests));
  if (workload.num_requests >= 32) {
    comparison.Expect(loop.Stats().preemptions > 0, "no request was preempted");
  }
}

// The same requests twice, without prompt log-probabilities (which bypass the cache): the second
// time they start from cached pages.
void ComparePrefixHits(const InvarianceSubject& subject, const InvarianceWorkload& workload,
                       Comparison& comparison) {
  const Requests requests = MixedRequests(subject.config, workload, false);
  const Setting setting;
  const auto runner = MakeRunner(subject, setting);
  EngineLoop loop(*runner, Scheduling(setting, true));
  comparison.Compare("filling the prefix cache", RunRequests(loop, requests), false);
  Requests again;
  for (const auto& request : requests) {
    auto copy = std::make_shared<Request>(*request);
    copy->id = RequestId{static_cast<uint64_t>(request->id) + 1000};
    again.push_back(copy);
  }
  const std::vector<Transcript> hits = RunRequests(loop, again);
  comparison.Compare("after a prefix hit", hits, false);
  const auto num_hits =
      std::count_if(hits.begin(), hits.end(), [](const Transcript& t) { return t.num_cached > 0; });
  comparison.Expect(num_hits > workload.num_requests / 3, "too few requests hit the prefix cache");
}

}  // namespace

std::vector<std::string> InvarianceErrors(const InvarianceSubject& subject,
                                          const InvarianceWorkload& workload) {
  const Requests requests = MixedRequests(subject.config, workload, true);
  const std::vector<Transcript> alone = RunAlone(subject, requests, 1);
  Comparison comparison(alone);
  for (size_t i = 0; i < alone.size(); ++i) {
    comparison.Expect(alone[i].prompt_logprobs.size() + 1 == requests[i]->prompt.size() &&
                          static_cast<int64_t>(alone[i].tokens.size()) ==
                              requests[i]->sampling.max_tokens,
                      "request " + std::to_string(i) + " alone has not all its tokens");
  }
  CompareBatches(subject, requests, 2, {1024, 16, 64, 256}, comparison);
  if (subject.device == kCpuDevice) {  // ops of others run on no threads of the host
    comparison.Compare("alone on two threads", RunAlone(subject, requests, 2));
    CompareBatches(subject, requests, 1, {1024}, comparison);
  }
  ComparePreempted(subject, workload, requests, comparison);
  ComparePrefixHits(subject, workload, comparison);
  return comparison.TakeErrors();
}

}  // namespace tandem
