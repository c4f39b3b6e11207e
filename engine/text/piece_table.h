#pragma once
// The bytes of each token id, in one block of memory. Ids without a piece have no bytes. Immutable
// once built; any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/text/tokenizer.h"

namespace tandem {

// More than any vocabulary in use; a file that names a larger id is broken.
inline constexpr int64_t kMaxVocabSize = int64_t{1} << 22;

class PieceTable {
 public:
  PieceTable() = default;
  // Ids lie in [0, kMaxVocabSize); of two pieces with one id the later counts.
  explicit PieceTable(const std::vector<std::pair<TokenId, std::string>>& pieces) {
    std::vector<const std::string*> by_id;
    for (const auto& [id, bytes] : pieces) {
      const auto index = static_cast<size_t>(id);
      if (index >= by_id.size()) by_id.resize(index + 1);
      by_id[index] = &bytes;
    }
    ends_.reserve(by_id.size());
    for (const std::string* bytes : by_id) {
      if (bytes != nullptr) bytes_ += *bytes;
      ends_.push_back(bytes_.size());
    }
  }

  int64_t size() const { return static_cast<int64_t>(ends_.size()); }

  // Empty for an id outside of the table.
  std::string_view Get(TokenId id) const {
    if (id < 0 || id >= size()) return {};
    const auto index = static_cast<size_t>(id);
    const size_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(bytes_).substr(begin, ends_[index] - begin);
  }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;  // [size]
};

}  // namespace tandem
