#include "trainer/tokenizer/word_counts.h"

#include <functional>

namespace tandem {

size_t WordCounts::SlotOf(std::string_view word) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = std::hash<std::string_view>()(word) & mask;
  while (slots_[slot] != 0 && Text(entries_[slots_[slot] - 1]) != word) slot = (slot + 1) & mask;
  return slot;
}

void WordCounts::Grow() {
  slots_.assign(slots_.empty() ? 1024 : slots_.size() * 2, 0);
  for (size_t i = 0; i < entries_.size(); ++i) {
    slots_[SlotOf(Text(entries_[i]))] = static_cast<uint32_t>(i + 1);
  }
}

void WordCounts::Add(std::string_view word, int64_t count) {
  if (2 * entries_.size() >= slots_.size()) Grow();
  uint32_t& slot = slots_[SlotOf(word)];
  if (slot == 0) {
    entries_.push_back({.begin = bytes_.size(), .size = word.size()});
    bytes_ += word;
    slot = static_cast<uint32_t>(entries_.size());
  }
  entries_[slot - 1].count += count;
  num_words_ += count;
  total_bytes_ += count * static_cast<int64_t>(word.size());
}

void WordCounts::Add(const WordCounts& other) {
  for (const Entry& entry : other.entries_) Add(other.Text(entry), entry.count);
}

}  // namespace tandem
