#include "scheduler/sequence.h"

#include <algorithm>
#include <utility>

#include "kernels/core/check.h"

namespace tandem {

Sequence::Sequence(std::shared_ptr<const Request> request, std::shared_ptr<Outbox> outbox,
                   uint64_t arrival, Clock::time_point now)
    : request_(std::move(request)),
      outbox_(std::move(outbox)),
      arrival_(arrival),
      arrived_at_(now),
      limit_(static_cast<int64_t>(request_->prompt.size()) + request_->sampling.max_tokens),
      history_(request_->prompt) {
  CHECK(!request_->prompt.empty());
  CheckOrder();
}

bool Sequence::owes_prompt_logprobs() const {
  return request_->sampling.prompt_logprobs.has_value() && num_scored_ < num_prompt() - 1;
}

int64_t Sequence::reusable() const {
  return owes_prompt_logprobs() ? std::min(num_scored_, total() - 1) : total() - 1;
}

void Sequence::Start() {
  CHECK(state_ != SequenceState::kRunning);
  state_ = SequenceState::kRunning;
  history_.reserve(static_cast<size_t>(limit_));
  pages_.reserve(static_cast<size_t>(pages_at_limit()));
}

void Sequence::Preempt() {
  CHECK(state_ == SequenceState::kRunning);
  state_ = SequenceState::kPreempted;
  cached_ = computed_ = 0;
  pages_.clear();
}

void Sequence::AddPage(PageId page) {
  CHECK(static_cast<int64_t>(pages_.size()) < pages_at_limit(), pages_.size(), limit_);
  pages_.push_back(page);
}

void Sequence::AddCachedPage(PageId page) {
  const int64_t begin = computed_;
  CHECK(cached_ == begin && begin == KvLayout::kPageTokens * static_cast<int64_t>(pages_.size()),
        cached_, begin, pages_.size());
  pages_.push_back(page);
  cached_ = computed_ = begin + KvLayout::kPageTokens;
  prompt_from_cache_ +=
      std::max(int64_t{0}, std::min(computed_, num_prompt()) - std::max(begin, peak_));
  peak_ = std::max(peak_, computed_);
  CheckOrder();
}

void Sequence::PageCached(PageId page) {
  pages_[static_cast<size_t>(cached_ / KvLayout::kPageTokens)] = page;
  cached_ += KvLayout::kPageTokens;
  CheckOrder();
}

void Sequence::ComputedUpTo(int64_t end) {
  CHECK(end > computed_ && PagesFor(end) <= static_cast<int64_t>(pages_.size()), end, computed_,
        pages_.size());
  computed_ = end;
  peak_ = std::max(peak_, end);
  CheckOrder();
}

void Sequence::Append(TokenId token) {
  history_.push_back(token);
  CheckOrder();
}

void Sequence::AddPromptScores(int64_t first, std::vector<ScoredToken>& scores) {
  for (size_t i = 0; i < scores.size(); ++i) {
    const int64_t position = first + static_cast<int64_t>(i);
    if (position < num_scored_) continue;
    CHECK(position == num_scored_ && position < num_prompt() - 1, position, num_scored_);
    prompt_scores_.push_back(std::move(scores[i]));
    ++num_scored_;
  }
}

std::vector<ScoredToken> Sequence::TakePromptScores() {
  if (!request_->sampling.prompt_logprobs || owes_prompt_logprobs() || prompt_taken_) return {};
  prompt_taken_ = true;
  return std::exchange(prompt_scores_, {});
}

void Sequence::ForgetPromptScores() {
  if (prompt_taken_) return;
  prompt_scores_.clear();
  num_scored_ = 0;
}

void Sequence::CheckOrder() const {
  CHECK(0 <= cached_ && cached_ <= computed_ && computed_ <= total() && total() <= limit_, cached_,
        computed_, total(), limit_);
}

}  // namespace tandem
