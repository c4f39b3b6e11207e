#pragma once
// The latest answers by their prompts, to be given again when the engine fails (--degraded-cache).
// On the I/O thread.

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/openai/generation_request.h"
#include "engine/runner.h"

namespace tandem {

struct CachedAnswer {
  std::string text;
  std::string_view finish_reason;  // "stop" or "length"
  int64_t num_tokens = 0;
};

class AnswerCache {
 public:
  // What the entries take, about; the oldest make room.
  explicit AnswerCache(int64_t max_bytes) : max_bytes_(max_bytes) {}

  // Whether an answer's text says all of it, and hangs on nothing but prompt and sampling: neither
  // scores, token ids, stop strings nor an echo were asked for.
  static bool Takes(const GenerationRequest& ask);

  // `salt` keeps tenants apart. Replaces an earlier answer to the prompt; one that is larger than
  // the whole cache is dropped.
  void Put(uint64_t salt, const std::vector<TokenId>& prompt, CachedAnswer answer);
  // Null: there is none that `ask`, which the cache takes, has room for. Valid until the next Put.
  const CachedAnswer* Find(uint64_t salt, const std::vector<TokenId>& prompt,
                           const GenerationRequest& ask) const;

 private:
  using Key = std::pair<uint64_t, std::vector<TokenId>>;
  struct Entry;
  using Entries = std::map<Key, Entry>;
  struct Entry {
    CachedAnswer answer;
    std::list<Entries::iterator>::iterator age;
    int64_t num_bytes = 0;
  };

  void Drop(Entries::iterator entry);

  const int64_t max_bytes_;
  int64_t num_bytes_ = 0;
  Entries entries_;
  std::list<Entries::iterator> by_age_;  // oldest first
};

}  // namespace tandem
