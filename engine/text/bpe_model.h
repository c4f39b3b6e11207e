#pragma once
// Byte-pair encoding of one word: starts from its bytes (or characters) and applies the merge of
// lowest rank, leftmost first, until none applies. Time is n log n. Immutable; any thread.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/text/tokenizer.h"

namespace tandem {

struct BpeVocabulary {
  std::vector<std::pair<std::string, TokenId>> tokens;      // text as the file writes it
  std::vector<std::pair<std::string, std::string>> merges;  // by rank
  bool byte_level = true;      // tokens are written in the byte alphabet, words start from bytes
  bool ignore_merges = false;  // a word that is a token is that token
  bool byte_fallback = false;  // an unknown character becomes the tokens of its bytes, "<0xE4>"
  bool fuse_unknown = false;   // neighbouring unknown characters are one unknown token
  std::optional<std::string> unknown_token;  // without it unknown characters vanish
};

class BpeModel {
 public:
  // Throws FormatError when ids or merges do not make sense.
  explicit BpeModel(const BpeVocabulary& vocabulary);

  // Buffers of one caller, kept between words.
  class Scratch {
   private:
    friend class BpeModel;
    struct Symbol {
      TokenId id;  // -1: merged into the one before
      int32_t previous;
      int32_t next;
    };
    struct Candidate {
      uint64_t order;  // rank, then position
      TokenId left;    // what stood there when it was pushed
      TokenId right;
      // std heaps keep the largest on top: the lowest rank, then the leftmost.
      bool operator<(const Candidate& other) const { return order > other.order; }
      int32_t position() const { return static_cast<int32_t>(order); }
      uint32_t rank() const { return static_cast<uint32_t>(order >> 32); }
    };
    std::vector<Symbol> symbols_;
    std::vector<Candidate> heap_;
  };

  // Appends the ids of `word`, which is valid UTF-8 unless the model starts from bytes.
  void Encode(std::string_view word, Scratch* scratch, std::vector<TokenId>* ids) const;

  // By the text that the file writes.
  std::optional<TokenId> Find(std::string_view text) const;
  bool byte_level() const { return byte_level_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Merge {
    uint64_t pair = kNoPair;  // left id, right id
    uint32_t rank = 0;
  };
  static constexpr uint64_t kNoPair = ~uint64_t{0};

  void AddTokens(const BpeVocabulary& vocabulary);
  void AddMerges(const BpeVocabulary& vocabulary);
  Merge& SlotOf(uint64_t pair);
  const Merge* FindMerge(TokenId left, TokenId right) const;  // null: none

  void StartSymbols(std::string_view word, Scratch* scratch) const;
  void StartUnknown(std::string_view character, bool* after_unknown, Scratch* scratch) const;
  void PushCandidate(int32_t position, Scratch* scratch) const;
  void MergeSymbols(Scratch* scratch) const;

  std::unordered_map<std::string, TokenId, Hash, std::equal_to<>> ids_;
  std::vector<Merge> merges_;  // open addressing, a power of two, at most half full
  // A bit for each pair's hash, small enough for the nearest caches: most pairs of a text have no
  // merge, and end here.
  std::vector<uint64_t> may_merge_;
  std::vector<TokenId> merged_ids_;    // by rank
  std::array<TokenId, 256> byte_ids_;  // of single bytes; -1: not in the vocabulary
  bool byte_level_;
  bool ignore_merges_;
  bool byte_fallback_;
  bool fuse_unknown_;
  TokenId unknown_id_ = -1;
};

}  // namespace tandem
