#pragma once
// A Runner without a model: the next token is a pure function of the history, so a test knows every
// output beforehand, whatever the schedule. Each page slot remembers a hash of the history up to
// it, and every step is checked against that: a page given away too early, shared wrongly or filled
// twice is reported. Steps are run by one thread; the rest may be called from any.
//
// With Overlap::kYes a step is computed when it is awaited and not before, from a copy of what its
// batch borrowed; what the step after it may not touch until then is checked when that is launched.

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/runner.h"

namespace tandem {

enum class Overlap : uint8_t { kNo, kYes };

class FakeRunner : public Runner {
 public:
  explicit FakeRunner(const RunnerLimits& limits, Overlap overlap = Overlap::kNo);

  const RunnerLimits& limits() const override { return limits_; }
  void Run(const StepBatch& batch, StepResult& result) override;
  bool overlaps() const override { return overlap_ == Overlap::kYes; }
  void Launch(const StepBatch& batch) override;
  void Await(StepResult& result) override;

  // What a request's output must be: the drawn tokens, the end token included if one ends it.
  std::vector<TokenId> ExpectedOutput(std::span<const TokenId> prompt,
                                      const SamplingParams& sampling,
                                      std::span<const TokenId> eos_ids) const;
  // log p of prompt[i + 1], for the tests of prompt log-probabilities.
  float PromptLogprob(std::span<const TokenId> prompt, size_t i) const;

  // Other weights: other tokens, and K and V of before are wrong. Between steps.
  void SetWeights(uint64_t seed) { weights_ = seed; }
  // The next `num_steps` steps throw DeviceError, after writing rubbish; from Run or Await.
  void FailNext(int64_t num_steps) { num_failing_ = num_steps; }
  // So does the next Launch.
  void FailNextLaunch() { launch_fails_ = true; }
  // Histories that contain this token have logits that are not finite.
  void SetPoison(TokenId token) { poison_ = token; }
  // Called in each step before anything else, and before a step is awaited.
  void SetOnStep(std::function<void(const StepBatch&)> on_step) { on_step_ = std::move(on_step); }
  void SetOnAwait(std::function<void()> on_await) { on_await_ = std::move(on_await); }

  // The first breach of the contract of runner.h; empty while there is none.
  std::string violation() const;
  int64_t num_steps() const { return num_steps_; }
  // Those launched while another was under way.
  int64_t num_ahead() const { return num_ahead_; }
  size_t num_under_way() const { return under_way_.size(); }  // on the thread that runs steps

 private:
  // A batch and all that it borrows.
  struct OwnedBatch {
    explicit OwnedBatch(const StepBatch& from);
    StepBatch batch;
    std::vector<std::vector<TokenId>> histories, eos_ids;
    std::vector<std::vector<PageId>> pages;
    std::vector<SamplingParams> sampling;
  };

  void Begin(const StepBatch& batch);
  void Compute(const StepBatch& batch, StepResult& result);
  void WriteRubbish(const StepBatch& batch);
  void CheckBatch(const StepBatch& batch);
  void CheckPending(const StepBatch& batch);
  void CheckPagesUnderWay(const StepBatch& batch);
  void CheckPages(const SequenceStep& step, size_t index);
  void ComputeSequence(const SequenceStep& step, SequenceResult& result);
  TokenId Draw(uint64_t history_hash, int64_t num_drawn, const SamplingParams& sampling,
               std::span<const TokenId> eos_ids) const;
  void Report(const std::string& what);

  RunnerLimits limits_;
  const Overlap overlap_;
  std::deque<OwnedBatch> under_way_;
  std::vector<TokenId> drawn_;       // [sequences] of the step computed last
  std::vector<uint64_t> slots_;      // [num_pages * page_tokens]: hash of the history up to it
  std::vector<int64_t> written_by_;  // [num_pages]: sequence of this step, or -1
  std::vector<int64_t> read_by_;     // [num_pages]: last sequence of this step, or -1
  std::atomic<uint64_t> weights_ = 1;
  std::atomic<int64_t> num_failing_ = 0;
  std::atomic<TokenId> poison_ = -1;
  std::atomic<bool> launch_fails_ = false;
  std::atomic<int64_t> num_steps_ = 0;
  std::atomic<int64_t> num_ahead_ = 0;
  std::function<void(const StepBatch&)> on_step_;
  std::function<void()> on_await_;
  mutable std::mutex mutex_;  // guards violation_
  std::string violation_;
};

}  // namespace tandem
