#include "api/routes/answer_cache.h"

namespace tandem {

namespace {

constexpr size_t kEntryBytes = 256;  // of nodes and headers, about

}  // namespace

bool AnswerCache::Takes(const GenerationRequest& ask) {
  return ask.stop.empty() && !ask.echo && ask.skip_special_tokens && !ask.return_token_ids &&
         !ask.sampling.logprobs && !ask.prompt_logprobs && ask.sampling.max_tokens > 0;
}

void AnswerCache::Put(uint64_t salt, const std::vector<TokenId>& prompt, CachedAnswer answer) {
  const auto num_bytes =
      static_cast<int64_t>(kEntryBytes + answer.text.size() + prompt.size() * sizeof(TokenId));
  if (num_bytes > max_bytes_) return;
  const auto [entry, is_new] = entries_.try_emplace({salt, prompt});
  if (!is_new) {
    by_age_.erase(entry->second.age);
    num_bytes_ -= entry->second.num_bytes;
  }
  entry->second = {.answer = std::move(answer),
                   .age = by_age_.insert(by_age_.end(), entry),
                   .num_bytes = num_bytes};
  num_bytes_ += num_bytes;
  while (num_bytes_ > max_bytes_) Drop(by_age_.front());
}

const CachedAnswer* AnswerCache::Find(uint64_t salt, const std::vector<TokenId>& prompt,
                                      const GenerationRequest& ask) const {
  const auto entry = entries_.find({salt, prompt});
  if (entry == entries_.end()) return nullptr;
  const CachedAnswer& answer = entry->second.answer;
  return answer.num_tokens <= ask.sampling.max_tokens ? &answer : nullptr;
}

void AnswerCache::Drop(Entries::iterator entry) {
  num_bytes_ -= entry->second.num_bytes;
  by_age_.erase(entry->second.age);
  entries_.erase(entry);
}

}  // namespace tandem
