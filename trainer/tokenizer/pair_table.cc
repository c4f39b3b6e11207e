#include "trainer/tokenizer/pair_table.h"

namespace tandem {
namespace {

// Multiplication by the golden ratio, whose high bits depend on all of the key.
size_t Hash(uint64_t key) {
  key ^= key >> 32;
  return static_cast<size_t>((key * 0x9E3779B97F4A7C15u) >> 20);
}

}  // namespace

void PairTable::Grow() {
  slots_.assign(slots_.empty() ? 4096 : slots_.size() * 2, 0);
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < pairs_.size(); ++i) {
    size_t slot = Hash(pairs_[i].key) & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<uint32_t>(i + 1);
  }
}

uint32_t PairTable::IndexOf(uint64_t key) {
  if (2 * pairs_.size() >= slots_.size()) Grow();
  const size_t mask = slots_.size() - 1;
  size_t slot = Hash(key) & mask;
  while (slots_[slot] != 0) {
    const uint32_t index = slots_[slot] - 1;
    if (pairs_[index].key == key) return index;
    slot = (slot + 1) & mask;
  }
  pairs_.push_back({.key = key});
  slots_[slot] = static_cast<uint32_t>(pairs_.size());
  return slots_[slot] - 1;
}

void PairTable::Appear(uint64_t key, int64_t change, uint32_t word) {
  const uint32_t index = IndexOf(key);
  Pair& pair = pairs_[index];
  pair.count += change;
  if (pair.new_words.empty()) new_pairs_.push_back(index);
  if (pair.new_words.empty() || pair.new_words.back() != word) pair.new_words.push_back(word);
}

}  // namespace tandem
