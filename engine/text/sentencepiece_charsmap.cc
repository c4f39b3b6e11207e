// The character map of a SentencePiece model: four bytes of length, a double-array trie of that
// many bytes, and the replacements, each ended by NUL. Its units are those of Darts-clone,
// https://github.com/s-yata/darts-clone (include/darts.h, DoubleArrayUnit).

#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "engine/text/sentencepiece_model_options.h"

namespace tandem {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the trie is read as it lies in the file");

struct Unit {
  uint32_t bits;

  bool has_leaf() const { return (bits >> 8 & 1) != 0; }
  uint32_t value() const { return bits & 0x7FFFFFFF; }  // of a leaf
  uint32_t label() const { return bits & 0x800000FF; }  // above 255: a leaf, no character's
  uint32_t offset() const { return (bits >> 10) << ((bits & 0x200) >> 6); }
};

// The longest of Unicode's compatibility forms has 33. Each character of a text may become one.
constexpr size_t kMaxReplacementBytes = 256;

bool IsReplacement(std::string_view replacements, size_t begin) {
  if (begin >= replacements.size()) return false;
  return replacements.substr(begin, kMaxReplacementBytes + 1).find('\0') != std::string_view::npos;
}

uint32_t ReadWord(std::string_view bytes, size_t index) {
  uint32_t word = 0;
  std::memcpy(&word, bytes.data() + 4 * index, sizeof(word));
  return word;
}

}  // namespace

bool IsSoundCharsmap(std::string_view charsmap) {
  if (charsmap.empty()) return true;  // no map
  if (charsmap.size() < 4) return false;
  const uint32_t trie_bytes = ReadWord(charsmap, 0);
  if (trie_bytes < 4 || trie_bytes >= charsmap.size() - 4) return false;
  const std::string_view trie = charsmap.substr(4, trie_bytes);
  const std::string_view replacements = charsmap.substr(4 + trie_bytes);
  const size_t num_units = trie.size() / 4;

  std::vector<bool> seen(num_units, false);
  std::vector<size_t> open{0};  // reached, and their children not looked at
  seen[0] = true;
  while (!open.empty()) {
    const size_t index = open.back();
    open.pop_back();
    const Unit unit{ReadWord(trie, index)};
    const size_t base = index ^ unit.offset();
    // Any byte may come next, and the matcher reads the unit of each before it looks at the label.
    if ((base | 0xFF) >= num_units) return false;
    if (unit.has_leaf() && !IsReplacement(replacements, Unit{ReadWord(trie, base)}.value())) {
      return false;
    }
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const size_t child = base ^ byte;
      if (seen[child] || Unit{ReadWord(trie, child)}.label() != byte) continue;
      seen[child] = true;
      open.push_back(child);
    }
  }
  return true;
}

}  // namespace tandem
