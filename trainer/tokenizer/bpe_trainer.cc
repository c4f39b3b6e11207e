#include "trainer/tokenizer/bpe_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "engine/text/byte_alphabet.h"
#include "kernels/core/error.h"
#include "trainer/tokenizer/pair_table.h"

namespace tandem {
namespace {

constexpr int64_t kNumBytes = 256;

// A word as the tokens that it consists of so far: symbols [begin, begin + size).
struct Word {
  size_t begin = 0;
  size_t size = 0;
  int64_t count = 0;
};

// A pair that may be merged next, in the words where it appeared at one step.
struct Candidate {
  int64_t count = 0;  // when it was queued; the table knows better
  uint64_t key = 0;
  uint64_t order = 0;  // of queueing
  std::vector<uint32_t> words;

  // std heaps keep the largest on top: the most frequent, then the lowest ids. A pair may be queued
  // twice, when its token is made in two ways; then the first comes first.
  bool operator<(const Candidate& other) const {
    if (count != other.count) return count < other.count;
    if (key != other.key) return key > other.key;
    return order > other.order;
  }
};

class Training {
 public:
  Training(const WordCounts& words, std::span<const std::string> special_tokens) {
    for (const std::string& token : special_tokens) AddToken(token);
    AddBytes();
    StartWords(words);
    CountPairs();
  }

  TrainedBpe Run(const BpeTrainingOptions& options) {
    const int64_t least = std::max<int64_t>(options.min_frequency, 1);
    while (static_cast<int64_t>(tokens_.size()) < options.vocab_size && !queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end());
      Candidate top = std::move(queue_.back());
      queue_.pop_back();
      // Counts change while candidates wait: the queue is put right when they come up.
      const int64_t count = pairs_.CountOf(top.key);
      if (top.count != count) {
        top.count = count;
        Push(std::move(top));
        continue;
      }
      if (count < least) break;
      Merge(top);
    }
    return Finish();
  }

 private:
  // The id of the token, which may be there already: two merges can make the same text.
  TokenId AddToken(const std::string& text) {
    const auto [it, is_new] = ids_.emplace(text, static_cast<TokenId>(tokens_.size()));
    if (is_new) tokens_.push_back(text);
    return it->second;
  }

  void AddBytes() {
    std::vector<std::string> characters;
    for (int64_t byte = 0; byte < kNumBytes; ++byte) {
      characters.emplace_back(ByteCharacter(static_cast<uint8_t>(byte)));
    }
    std::vector<std::string> sorted = characters;
    std::ranges::sort(sorted);  // by bytes of UTF-8, which is by characters
    for (const std::string& character : sorted) AddToken(character);
    for (size_t byte = 0; byte < characters.size(); ++byte) {
      byte_ids_[byte] = ids_.at(characters[byte]);
    }
  }

  void StartWords(const WordCounts& words) {
    size_t num_symbols = 0;
    for (const auto& entry : words.entries()) num_symbols += entry.size;
    symbols_.reserve(num_symbols);
    words_.reserve(words.entries().size());
    for (const auto& entry : words.entries()) {
      words_.push_back({.begin = symbols_.size(), .size = entry.size, .count = entry.count});
      for (const char byte : words.Text(entry)) {
        symbols_.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
      }
    }
  }

  void CountPairs() {
    for (size_t index = 0; index < words_.size(); ++index) {
      const Word& word = words_[index];
      const TokenId* symbols = symbols_.data() + word.begin;
      for (size_t i = 0; i + 1 < word.size; ++i) {
        pairs_.Appear(PairTable::Key(symbols[i], symbols[i + 1]), word.count,
                      static_cast<uint32_t>(index));
      }
    }
    PushNewPairs();
  }

  void Push(Candidate candidate) {
    queue_.push_back(std::move(candidate));
    std::push_heap(queue_.begin(), queue_.end());
  }

  void PushNewPairs() {
    pairs_.TakeNew([this](PairTable::Pair& pair) {
      if (pair.count <= 0) return;
      Push({.count = pair.count,
            .key = pair.key,
            .order = num_queued_++,
            .words = std::move(pair.new_words)});
    });
  }

  void Merge(const Candidate& top) {
    const TokenId left = PairTable::Left(top.key);
    const TokenId right = PairTable::Right(top.key);
    const TokenId merged =
        AddToken(tokens_[static_cast<size_t>(left)] + tokens_[static_cast<size_t>(right)]);
    merges_.push_back(top.key);
    for (const uint32_t word : top.words) MergeInWord(left, right, merged, word);
    PushNewPairs();
  }

  // From left to right. The count of the merged pair itself is left as it was: it matters only when
  // the pair comes again, and there the reference counts it so.
  void MergeInWord(TokenId left, TokenId right, TokenId merged, uint32_t index) {
    Word& word = words_[index];
    TokenId* symbols = symbols_.data() + word.begin;
    size_t size = 0;
    for (size_t i = 0; i < word.size;) {
      const bool here = i + 1 < word.size && symbols[i] == left && symbols[i + 1] == right;
      if (!here) {
        symbols[size++] = symbols[i++];
        continue;
      }
      if (size > 0) {
        pairs_.Change(PairTable::Key(symbols[size - 1], left), -word.count);
        pairs_.Appear(PairTable::Key(symbols[size - 1], merged), word.count, index);
      }
      i += 2;
      if (i < word.size) {
        pairs_.Change(PairTable::Key(right, symbols[i]), -word.count);
        pairs_.Appear(PairTable::Key(merged, symbols[i]), word.count, index);
      }
      symbols[size++] = merged;
    }
    word.size = size;
  }

  // Of a pair that merged twice the later rank counts.
  std::vector<std::pair<TokenId, TokenId>> MergesByRank() const {
    std::unordered_map<uint64_t, size_t> last;
    for (size_t rank = 0; rank < merges_.size(); ++rank) last[merges_[rank]] = rank;
    std::vector<std::pair<TokenId, TokenId>> merges;
    for (size_t rank = 0; rank < merges_.size(); ++rank) {
      const uint64_t key = merges_[rank];
      if (last[key] == rank) merges.emplace_back(PairTable::Left(key), PairTable::Right(key));
    }
    return merges;
  }

  TrainedBpe Finish() {
    TrainedBpe trained;
    for (const Word& word : words_) {
      trained.num_corpus_tokens += word.count * static_cast<int64_t>(word.size);
    }
    trained.merges = MergesByRank();
    trained.tokens = std::move(tokens_);
    return trained;
  }

  std::vector<std::string> tokens_;  // by id
  std::unordered_map<std::string, TokenId> ids_;
  std::array<TokenId, kNumBytes> byte_ids_{};
  std::vector<TokenId> symbols_;  // of all words
  std::vector<Word> words_;
  PairTable pairs_;
  std::vector<Candidate> queue_;  // a heap
  uint64_t num_queued_ = 0;
  std::vector<uint64_t> merges_;  // keys of pairs, as they came
};

}  // namespace

void CheckVocabSize(int64_t vocab_size, size_t num_special_tokens) {
  const int64_t least = static_cast<int64_t>(num_special_tokens) + kNumBytes;
  if (vocab_size >= least) return;
  throw ConfigError(
      fmt::format("a vocabulary of {} has no room for {} special tokens and the {} bytes; at least "
                  "{} is needed",
                  vocab_size, num_special_tokens, kNumBytes, least));
}

TrainedBpe TrainBpe(const WordCounts& words, std::span<const std::string> special_tokens,
                    const BpeTrainingOptions& options) {
  CheckVocabSize(options.vocab_size, special_tokens.size());
  return Training(words, special_tokens).Run(options);
}

}  // namespace tandem
