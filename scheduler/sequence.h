#pragma once
// The progress of one request: a few counters with an asserted order, its history and its pages.
// Owned by the Scheduler; engine thread only.
//
//   0 ........ cached ........ computed ........ total ........ limit
//   | pages that the | K and V are   | drawn or     | prompt +
//   | cache has too  | in own pages  | given tokens | max_tokens

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "scheduler/outbox.h"
#include "scheduler/request.h"

namespace tandem {

constexpr int64_t PagesFor(int64_t num_tokens) {
  return (num_tokens + KvLayout::kPageTokens - 1) / KvLayout::kPageTokens;
}

enum class SequenceState : uint8_t {
  kWaiting,    // accepted, never ran; holds no page
  kRunning,    // takes part in steps: prefilling while remaining() > 1, else decoding
  kPreempted,  // ran, lost its pages, waits to recompute
};

class Sequence {
 public:
  Sequence(std::shared_ptr<const Request> request, std::shared_ptr<Outbox> outbox, uint64_t arrival,
           Clock::time_point now);

  const Request& request() const { return *request_; }
  const std::shared_ptr<Outbox>& outbox() const { return outbox_; }
  SequenceState state() const { return state_; }
  uint64_t arrival() const { return arrival_; }
  Clock::time_point arrived_at() const { return arrived_at_; }

  int64_t cached() const { return cached_; }
  int64_t computed() const { return computed_; }
  int64_t total() const { return static_cast<int64_t>(history_.size()); }
  int64_t limit() const { return limit_; }
  int64_t num_prompt() const { return static_cast<int64_t>(request_->prompt.size()); }
  int64_t num_generated() const { return total() - num_prompt(); }
  int64_t remaining() const { return total() - computed_; }
  // The last token drawn is never computed, so the limit needs one position less.
  int64_t pages_at_limit() const { return PagesFor(std::max(num_prompt(), limit_ - 1)); }

  std::span<const TokenId> history() const { return history_; }  // prompt and output so far
  std::span<const PageId> pages() const { return pages_; }       // cover [0, computed), at least

  // Tokens that a prefix hit may cover: all but the last, whose logits are wanted; where prompt
  // log-probabilities are still owed, nothing from the first owed position on.
  int64_t reusable() const;
  bool owes_prompt_logprobs() const;

  void Start();               // waiting or preempted -> running; memory is reserved here, once
  void Preempt();             // running -> preempted; the caller has released the pages
  void AddPage(PageId page);  // of the next positions, private
  void AddCachedPage(PageId page);  // a hit: its 16 tokens count as computed
  void PageCached(PageId page);     // the first page beyond cached() is in the cache, as `page`
  void ComputedUpTo(int64_t end);
  void Append(TokenId token);  // drawn

  // Scores of the positions from `first` on; those reported before are dropped.
  void AddPromptScores(int64_t first, std::vector<ScoredToken>& scores);
  // All of them, once, when complete; empty otherwise.
  std::vector<ScoredToken> TakePromptScores();
  void ForgetPromptScores();  // not yet taken ones: the weights changed

  int64_t peak() const { return peak_; }  // largest computed() ever: below it is recompute
  int64_t prompt_from_cache() const { return prompt_from_cache_; }

  // Set by the Scheduler.
  Clock::time_point last_token_at{};  // when the last token was delivered
  int32_t num_overtaken = 0;          // later requests admitted while this one did not fit

 private:
  void CheckOrder() const;

  std::shared_ptr<const Request> request_;  // shared with the connection
  std::shared_ptr<Outbox> outbox_;          // shared with the connection
  uint64_t arrival_;
  Clock::time_point arrived_at_;
  SequenceState state_ = SequenceState::kWaiting;
  int64_t cached_ = 0;
  int64_t computed_ = 0;
  int64_t limit_;
  int64_t peak_ = 0;
  int64_t prompt_from_cache_ = 0;
  std::vector<TokenId> history_;
  std::vector<PageId> pages_;
  std::vector<ScoredToken> prompt_scores_;  // of positions [0, num_scored_) until taken
  int64_t num_scored_ = 0;
  bool prompt_taken_ = false;
};

}  // namespace tandem
