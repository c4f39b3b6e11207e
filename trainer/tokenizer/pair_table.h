#pragma once
// Pairs of neighbouring tokens, how often they occur, and in which words they newly appeared. Owned
// by the BPE trainer; one thread.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/text/tokenizer.h"

namespace tandem {

class PairTable {
 public:
  // The order of keys is that of left ids, then of right ids.
  static uint64_t Key(TokenId left, TokenId right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  static TokenId Left(uint64_t key) { return static_cast<TokenId>(key >> 32); }
  static TokenId Right(uint64_t key) { return static_cast<TokenId>(key & 0xffffffffu); }

  struct Pair {
    uint64_t key = 0;
    int64_t count = 0;
    std::vector<uint32_t> new_words;  // ascending; emptied by TakeNew
  };

  // Adds to the pair's count.
  void Change(uint64_t key, int64_t change) { pairs_[IndexOf(key)].count += change; }
  // And notes that `word` has it now. Calls come in ascending order of words.
  void Appear(uint64_t key, int64_t change, uint32_t word);

  int64_t CountOf(uint64_t key) { return pairs_[IndexOf(key)].count; }

  // Calls visit(Pair&) for each pair that appeared since the last call, in the order of appearance.
  template <typename Visit>
  void TakeNew(Visit&& visit) {
    for (const uint32_t index : new_pairs_) {
      visit(pairs_[index]);
      pairs_[index].new_words = {};
    }
    new_pairs_.clear();
  }

 private:
  // Of the pair, which is added with count 0 when it is new.
  uint32_t IndexOf(uint64_t key);
  void Grow();

  std::vector<Pair> pairs_;
  std::vector<uint32_t> slots_;  // index + 1; 0: free. A power of two, at most half full
  std::vector<uint32_t> new_pairs_;
};

}  // namespace tandem
