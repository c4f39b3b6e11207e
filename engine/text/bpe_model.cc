#include "engine/text/bpe_model.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "engine/text/byte_alphabet.h"
#include "engine/text/piece_table.h"
#include "engine/text/unicode.h"
#include "kernels/core/check.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

uint64_t PairKey(TokenId left, TokenId right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

size_t HashPair(uint64_t pair) {
  pair *= 0x9E3779B97F4A7C15ull;
  return static_cast<size_t>(pair ^ pair >> 32);
}

// Other bits of the hash than those that choose a slot.
constexpr size_t kNumFilterBits = size_t{1} << 21;
size_t FilterBit(size_t hash) { return hash >> 43; }

std::string ByteFallbackToken(uint8_t byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">";
}

}  // namespace

BpeModel::BpeModel(const BpeVocabulary& vocabulary)
    : byte_level_(vocabulary.byte_level),
      ignore_merges_(vocabulary.ignore_merges),
      byte_fallback_(vocabulary.byte_fallback),
      fuse_unknown_(vocabulary.fuse_unknown) {
  AddTokens(vocabulary);
  AddMerges(vocabulary);
  for (int byte = 0; byte < 256; ++byte) {
    const auto value = static_cast<uint8_t>(byte);
    const auto id = byte_level_ ? Find(ByteCharacter(value)) : Find(ByteFallbackToken(value));
    byte_ids_[value] = id.value_or(-1);
  }
  if (vocabulary.unknown_token) {
    const auto id = Find(*vocabulary.unknown_token);
    if (!id) {
      throw FormatError("unk_token '" + *vocabulary.unknown_token + "' is not in the vocabulary");
    }
    unknown_id_ = *id;
  }
}

void BpeModel::AddTokens(const BpeVocabulary& vocabulary) {
  std::vector<bool> taken;
  ids_.reserve(vocabulary.tokens.size());
  for (const auto& [text, id] : vocabulary.tokens) {
    if (id < 0 || id >= kMaxVocabSize) {
      throw FormatError("token '" + text + "' has id " + std::to_string(id) +
                        "; ids are from 0 to " + std::to_string(kMaxVocabSize - 1));
    }
    const auto index = static_cast<size_t>(id);
    if (index >= taken.size()) taken.resize(index + 1);
    if (taken[index]) {
      throw FormatError("token '" + text + "' has id " + std::to_string(id) +
                        ", which another token has too");
    }
    taken[index] = true;
    if (!ids_.emplace(text, id).second)
      throw FormatError("token '" + text + "' stands there twice");
  }
}

void BpeModel::AddMerges(const BpeVocabulary& vocabulary) {
  if (vocabulary.merges.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    throw FormatError("there are more merges than a 32-bit rank counts");
  }
  merges_.resize(std::bit_ceil(vocabulary.merges.size() * 2 + 2));
  may_merge_.resize(kNumFilterBits / 64);
  for (size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const auto& [left, right] = vocabulary.merges[rank];
    const auto left_id = Find(left);
    const auto right_id = Find(right);
    const auto merged = Find(left + right);
    if (!left_id || !right_id || !merged) {
      throw FormatError("merge " + std::to_string(rank) + ", '" + left + "' with '" + right +
                        "', names '" +
                        (!left_id    ? left
                         : !right_id ? right
                                     : left + right) +
                        "', which is not in the vocabulary");
    }
    const uint64_t pair = PairKey(*left_id, *right_id);
    SlotOf(pair) = {pair, static_cast<uint32_t>(rank)};
    const size_t bit = FilterBit(HashPair(pair));
    may_merge_[bit / 64] |= uint64_t{1} << bit % 64;
    merged_ids_.push_back(*merged);
  }
}

BpeModel::Merge& BpeModel::SlotOf(uint64_t pair) {
  const size_t mask = merges_.size() - 1;
  size_t slot = HashPair(pair) & mask;
  while (merges_[slot].pair != pair && merges_[slot].pair != kNoPair) slot = (slot + 1) & mask;
  return merges_[slot];
}

const BpeModel::Merge* BpeModel::FindMerge(TokenId left, TokenId right) const {
  const uint64_t pair = PairKey(left, right);
  const size_t hash = HashPair(pair);
  const size_t bit = FilterBit(hash);
  if ((may_merge_[bit / 64] >> bit % 64 & 1) == 0) return nullptr;
  const size_t mask = merges_.size() - 1;
  for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
    if (merges_[slot].pair == pair) return &merges_[slot];
    if (merges_[slot].pair == kNoPair) return nullptr;
  }
}

std::optional<TokenId> BpeModel::Find(std::string_view text) const {
  const auto it = ids_.find(text);
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

void BpeModel::StartSymbols(std::string_view word, Scratch* scratch) const {
  auto& symbols = scratch->symbols_;
  symbols.clear();
  bool after_unknown = false;
  for (size_t position = 0; position < word.size();) {
    const size_t begin = position;
    TokenId id;
    if (byte_level_) {
      id = byte_ids_[static_cast<uint8_t>(word[position++])];
    } else {
      NextCharacter(word, &position);
      id = Find(word.substr(begin, position - begin)).value_or(-1);
    }
    if (id >= 0) {
      symbols.push_back({id, -1, -1});
      after_unknown = false;
    } else {
      StartUnknown(word.substr(begin, position - begin), &after_unknown, scratch);
    }
  }
  for (size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].previous = static_cast<int32_t>(i) - 1;
    symbols[i].next = i + 1 < symbols.size() ? static_cast<int32_t>(i) + 1 : -1;
  }
}

void BpeModel::StartUnknown(std::string_view character, bool* after_unknown,
                            Scratch* scratch) const {
  auto& symbols = scratch->symbols_;
  if (byte_fallback_ && !byte_level_) {
    const bool all_known = std::all_of(character.begin(), character.end(), [&](char byte) {
      return byte_ids_[static_cast<uint8_t>(byte)] >= 0;
    });
    if (all_known) {
      for (const char byte : character) {
        symbols.push_back({byte_ids_[static_cast<uint8_t>(byte)], -1, -1});
      }
      *after_unknown = false;
      return;
    }
  }
  if (unknown_id_ < 0) return;
  if (!(fuse_unknown_ && *after_unknown)) symbols.push_back({unknown_id_, -1, -1});
  *after_unknown = true;
}

void BpeModel::PushCandidate(int32_t position, Scratch* scratch) const {
  const auto& symbol = scratch->symbols_[static_cast<size_t>(position)];
  if (symbol.next < 0) return;
  const TokenId right = scratch->symbols_[static_cast<size_t>(symbol.next)].id;
  const Merge* merge = FindMerge(symbol.id, right);
  if (merge == nullptr) return;
  scratch->heap_.push_back(
      {uint64_t{merge->rank} << 32 | static_cast<uint32_t>(position), symbol.id, right});
}

void BpeModel::MergeSymbols(Scratch* scratch) const {
  auto& symbols = scratch->symbols_;
  auto& heap = scratch->heap_;
  heap.clear();
  for (size_t i = 0; i < symbols.size(); ++i) PushCandidate(static_cast<int32_t>(i), scratch);
  std::make_heap(heap.begin(), heap.end());

  auto push = [&](int32_t position) {
    const size_t before = heap.size();
    PushCandidate(position, scratch);
    if (heap.size() > before) std::push_heap(heap.begin(), heap.end());
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Scratch::Candidate candidate = heap.back();
    heap.pop_back();
    auto& left = symbols[static_cast<size_t>(candidate.position())];
    // The pair may have changed since it was pushed.
    if (left.id != candidate.left || left.next < 0) continue;
    auto& right = symbols[static_cast<size_t>(left.next)];
    if (right.id != candidate.right) continue;

    left.id = merged_ids_[candidate.rank()];
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = candidate.position();
    if (left.previous >= 0) push(left.previous);
    push(candidate.position());
  }
}

void BpeModel::Encode(std::string_view word, Scratch* scratch, std::vector<TokenId>* ids) const {
  CHECK(word.size() < static_cast<size_t>(std::numeric_limits<int32_t>::max()), word.size());
  if (ignore_merges_) {
    const auto whole = byte_level_ ? Find(ToByteCharacters(word)) : Find(word);
    if (whole) {
      ids->push_back(*whole);
      return;
    }
  }
  StartSymbols(word, scratch);
  MergeSymbols(scratch);
  for (const auto& symbol : scratch->symbols_) {
    if (symbol.id >= 0) ids->push_back(symbol.id);
  }
}

}  // namespace tandem
