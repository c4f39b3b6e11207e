#include "tests/support/fake_runner.h"

#include <algorithm>
#include <sstream>

#include "kernels/core/error.h"

namespace tandem {
namespace {

uint64_t Extend(uint64_t hash, TokenId token) {
  hash = (hash ^ static_cast<uint32_t>(token)) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 29);
}

float ToLogprob(uint64_t hash) { return -static_cast<float>(hash % 1024) / 64.0f; }

bool Contains(std::span<const TokenId> ids, TokenId id) {
  return std::ranges::find(ids, id) != ids.end();
}

}  // namespace

FakeRunner::FakeRunner(const RunnerLimits& limits, Overlap overlap)
    : limits_(limits),
      overlap_(overlap),
      slots_(static_cast<size_t>(limits.num_pages * limits.page_tokens), 0),
      written_by_(static_cast<size_t>(limits.num_pages), -1),
      read_by_(static_cast<size_t>(limits.num_pages), -1) {}

FakeRunner::OwnedBatch::OwnedBatch(const StepBatch& from) : batch(from) {
  for (const SequenceStep& step : from.sequences) {
    histories.emplace_back(step.history.begin(), step.history.end());
    pages.emplace_back(step.pages.begin(), step.pages.end());
    sampling.push_back(*step.sampling);
    eos_ids.emplace_back(step.eos_ids.begin(), step.eos_ids.end());
  }
  for (size_t i = 0; i < batch.sequences.size(); ++i) {
    SequenceStep& step = batch.sequences[i];
    step.history = histories[i];
    step.pages = pages[i];
    step.sampling = &sampling[i];
    step.eos_ids = eos_ids[i];
  }
}

void FakeRunner::Run(const StepBatch& batch, StepResult& result) {
  if (!under_way_.empty()) Report("Run while a step is under way");
  Begin(batch);
  Compute(batch, result);
}

void FakeRunner::Launch(const StepBatch& batch) {
  if (!overlaps()) Report("Launch of a runner that does not overlap");
  if (under_way_.size() >= 2) Report("a third step under way");
  Begin(batch);
  if (launch_fails_.exchange(false)) {
    for (const OwnedBatch& launched : under_way_) WriteRubbish(launched.batch);
    WriteRubbish(batch);
    under_way_.clear();
    throw DeviceError("fake launch failure at address 0x1234");
  }
  if (!under_way_.empty()) num_ahead_ += 1;
  under_way_.emplace_back(batch);
}

void FakeRunner::Await(StepResult& result) {
  if (on_await_) on_await_();
  if (under_way_.empty()) {
    Report("Await without a step under way");
    throw InternalError("no step is under way");
  }
  const OwnedBatch launched = std::move(under_way_.front());
  under_way_.pop_front();
  try {
    Compute(launched.batch, result);
  } catch (const DeviceError&) {
    for (const OwnedBatch& other : under_way_) WriteRubbish(other.batch);
    under_way_.clear();
    throw;
  }
}

void FakeRunner::Begin(const StepBatch& batch) {
  if (on_step_) on_step_(batch);
  ++num_steps_;
  CheckBatch(batch);
  CheckPending(batch);
  CheckPagesUnderWay(batch);
}

void FakeRunner::Compute(const StepBatch& batch, StepResult& result) {
  result.sequences.assign(batch.sequences.size(), {});
  std::vector<TokenId> drawn;
  for (size_t i = 0; i < batch.sequences.size(); ++i) {
    ComputeSequence(batch.sequences[i], result.sequences[i]);
    const auto& sampled = result.sequences[i].sampled;
    drawn.push_back(sampled ? sampled->token.id : -1);
  }
  drawn_ = std::move(drawn);
  if (num_failing_ > 0) {
    --num_failing_;
    WriteRubbish(batch);
    throw DeviceError("fake device failure at address 0x1234");
  }
}

void FakeRunner::WriteRubbish(const StepBatch& batch) {
  for (const SequenceStep& step : batch.sequences) {
    for (int64_t i = step.first; i < step.first + step.count; ++i) {
      const PageId page = step.pages[static_cast<size_t>(i / limits_.page_tokens)];
      slots_[static_cast<size_t>(page * limits_.page_tokens + i % limits_.page_tokens)] = 0xBAD;
    }
  }
}

// What runner.h says of SequenceStep::follows.
void FakeRunner::CheckPending(const StepBatch& batch) {
  bool has_pending = false;
  for (const SequenceStep& step : batch.sequences) {
    if (step.follows < 0) continue;
    has_pending = true;
    if (under_way_.size() != 1) return Report("a pending token without a step under way");
    const auto& before = under_way_.back().batch.sequences;
    const auto followed = static_cast<size_t>(step.follows);
    if (followed >= before.size()) return Report("a pending token of no sequence");
    if (!before[followed].sample) Report("a pending token that is not drawn");
    if (before[followed].total() != static_cast<int64_t>(step.history.size()) ||
        !std::ranges::equal(before[followed].history,
                            step.history.first(before[followed].history.size()))) {
      Report("a pending token of another history");
    }
    const SamplingParams& sampling = *step.sampling;
    if (sampling.repetition_penalty != 1.0f || sampling.frequency_penalty != 0.0f ||
        sampling.presence_penalty != 0.0f) {
      Report("a pending token with penalties");
    }
  }
  const auto reports = [](const SequenceStep& step) { return step.prompt_logprobs; };
  if (has_pending && std::ranges::any_of(batch.sequences, reports)) {
    Report("a pending token beside prompt log-probabilities");
  }
}

// No page that a sequence of the step under way uses is written by another one, and none that it
// writes is used by another one.
void FakeRunner::CheckPagesUnderWay(const StepBatch& batch) {
  if (under_way_.empty()) return;
  const auto num_used = [&](const SequenceStep& step) {
    const int64_t end = step.first + step.count;
    return static_cast<size_t>((end + limits_.page_tokens - 1) / limits_.page_tokens);
  };
  const auto first_written = [&](const SequenceStep& step) {
    return static_cast<size_t>(step.first / limits_.page_tokens);
  };
  const auto& before = under_way_.back().batch.sequences;
  for (size_t i = 0; i < before.size(); ++i) {
    for (const SequenceStep& step : batch.sequences) {
      if (step.follows == static_cast<int32_t>(i)) continue;
      for (size_t p = 0; p < num_used(before[i]); ++p) {
        const auto pages = step.pages.first(num_used(step));
        const auto at = std::ranges::find(pages, before[i].pages[p]);
        if (at == pages.end()) continue;
        const bool is_written_now = static_cast<size_t>(at - pages.begin()) >= first_written(step);
        if (is_written_now || p >= first_written(before[i])) {
          return Report("a page of a step under way is given to another sequence");
        }
      }
    }
  }
}

void FakeRunner::CheckBatch(const StepBatch& batch) {
  std::ranges::fill(written_by_, -1);
  std::ranges::fill(read_by_, -1);
  int64_t num_tokens = 0;
  for (size_t i = 0; i < batch.sequences.size(); ++i) {
    const SequenceStep& step = batch.sequences[i];
    const int64_t total = step.total();
    num_tokens += step.count;
    if (step.count < 1 || step.first < 0 || step.first + step.count > total) {
      Report("a chunk is empty or outside of its history");
    }
    if (total > limits_.max_context) Report("a history exceeds the context");
    if (step.sampling == nullptr) Report("sampling parameters are missing");
    if (step.sample && step.first + step.count != total) Report("a draw before the history's end");
    CheckPages(step, i);
  }
  if (batch.sequences.empty()) Report("an empty step");
  if (num_tokens > limits_.max_step_tokens) Report("too many tokens in a step");
  if (static_cast<int64_t>(batch.sequences.size()) > limits_.max_sequences) {
    Report("too many sequences in a step");
  }
}

// A page that one sequence writes may not be seen by another one.
void FakeRunner::CheckPages(const SequenceStep& step, size_t index) {
  const auto sequence = static_cast<int64_t>(index);
  const int64_t end = step.first + step.count;
  const int64_t needed = (end + limits_.page_tokens - 1) / limits_.page_tokens;
  if (static_cast<int64_t>(step.pages.size()) < needed) return Report("pages do not cover a chunk");
  for (int64_t i = 0; i < needed; ++i) {
    const PageId page = step.pages[static_cast<size_t>(i)];
    if (page < 0 || page >= limits_.num_pages) return Report("a page id is out of range");
    const auto p = static_cast<size_t>(page);
    const bool writes = (i + 1) * limits_.page_tokens > step.first;
    if (read_by_[p] == sequence) Report("a page stands twice in one table");
    if (written_by_[p] >= 0) Report("a page is written by one sequence and used by another");
    if (writes && read_by_[p] >= 0) Report("a page that another sequence uses is written");
    read_by_[p] = sequence;
    if (writes) written_by_[p] = sequence;
  }
}

void FakeRunner::ComputeSequence(const SequenceStep& step, SequenceResult& result) {
  if (!violation().empty()) return;  // page tables cannot be trusted
  uint64_t hash = weights_;
  bool poisoned = false;
  const int64_t end = step.first + step.count;
  for (int64_t i = 0; i < end; ++i) {
    const auto at = static_cast<size_t>(i);
    const bool is_pending = at >= step.history.size();
    const TokenId token =
        is_pending ? std::max(drawn_[static_cast<size_t>(step.follows)], 0) : step.history[at];
    hash = Extend(hash, token);
    poisoned |= token == poison_;
    const PageId page = step.pages[static_cast<size_t>(i / limits_.page_tokens)];
    uint64_t& slot =
        slots_[static_cast<size_t>(page * limits_.page_tokens + i % limits_.page_tokens)];
    if (i >= step.first) {
      slot = hash;
    } else if (slot != hash) {
      std::ostringstream what;
      what << "K and V of position " << i << " are not in page " << page << " (first " << step.first
           << ", count " << step.count << ")";
      return Report(what.str());
    }
    if (step.prompt_logprobs && i >= step.first && i + 1 < step.num_prompt) {
      const TokenId next = step.history[static_cast<size_t>(i) + 1];
      result.prompt.push_back({.token = {next, ToLogprob(Extend(hash, next))}, .top = {}});
    }
  }
  if (!step.sample) return;
  const int64_t num_drawn = end - step.num_prompt;
  const TokenId id = poisoned ? -1 : Draw(hash, num_drawn, *step.sampling, step.eos_ids);
  result.sampled = ScoredToken{.token = {id, ToLogprob(Extend(hash, id))}, .top = {}};
}

TokenId FakeRunner::Draw(uint64_t history_hash, int64_t num_drawn, const SamplingParams& sampling,
                         std::span<const TokenId> eos_ids) const {
  auto id = static_cast<TokenId>((history_hash + sampling.seed * 7919) %
                                 static_cast<uint64_t>(limits_.vocab_size));
  const auto banned = [&] {
    return num_drawn < sampling.min_tokens &&
           (Contains(sampling.stop_token_ids, id) || Contains(eos_ids, id));
  };
  while (banned()) id = static_cast<TokenId>((id + 1) % limits_.vocab_size);
  return id;
}

std::vector<TokenId> FakeRunner::ExpectedOutput(std::span<const TokenId> prompt,
                                                const SamplingParams& sampling,
                                                std::span<const TokenId> eos_ids) const {
  uint64_t hash = weights_;
  for (const TokenId token : prompt) hash = Extend(hash, token);
  if (sampling.ignore_eos) eos_ids = {};
  std::vector<TokenId> output;
  while (static_cast<int64_t>(output.size()) < sampling.max_tokens) {
    const auto num_drawn = static_cast<int64_t>(output.size());
    const TokenId id = Draw(hash, num_drawn, sampling, eos_ids);
    output.push_back(id);
    if (Contains(sampling.stop_token_ids, id) || Contains(eos_ids, id)) break;
    hash = Extend(hash, id);
  }
  return output;
}

float FakeRunner::PromptLogprob(std::span<const TokenId> prompt, size_t i) const {
  uint64_t hash = weights_;
  for (const TokenId token : prompt.first(i + 2)) hash = Extend(hash, token);
  return ToLogprob(hash);
}

std::string FakeRunner::violation() const {
  const std::lock_guard lock(mutex_);
  return violation_;
}

void FakeRunner::Report(const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (violation_.empty()) violation_ = what + " in step " + std::to_string(num_steps_);
}

}  // namespace tandem
