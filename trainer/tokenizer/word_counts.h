#pragma once
// How often each word of a corpus occurs: what a BPE tokenizer is learned from. Each counting
// thread fills one of its own; they are added up afterwards.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

class WordCounts {
 public:
  struct Entry {
    size_t begin = 0;  // into the bytes of all words
    size_t size = 0;
    int64_t count = 0;
  };

  // `word` is not empty. Fewer than 2^32 different ones.
  void Add(std::string_view word, int64_t count);
  void Add(const WordCounts& other);

  // In the order in which they came first.
  std::span<const Entry> entries() const { return entries_; }
  std::string_view Text(const Entry& entry) const {
    return std::string_view(bytes_).substr(entry.begin, entry.size);
  }
  int64_t num_words() const { return num_words_; }      // every occurrence
  int64_t total_bytes() const { return total_bytes_; }  // of every occurrence

 private:
  void Grow();
  // The slot where `word` is, or where it would go.
  size_t SlotOf(std::string_view word) const;

  std::string bytes_;  // the different words, side by side
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;  // index + 1 into entries_; 0: free. A power of two, half full
  int64_t num_words_ = 0;
  int64_t total_bytes_ = 0;
};

}  // namespace tandem
