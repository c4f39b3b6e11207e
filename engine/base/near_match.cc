#include "engine/base/near_match.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace tandem {
namespace {

// Nobody mistypes a name of this length into a knob; it also bounds the work on hostile input.
constexpr size_t kMaxWord = 64;

std::string Folded(std::string_view text) {
  std::string folded(text);
  for (char& c : folded) {
    c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return folded;
}

// Optimal string alignment distance.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::optional<std::string> NearMatch(std::string_view word,
                                     std::span<const std::string> candidates) {
  if (word.empty() || word.size() > kMaxWord) return std::nullopt;
  const std::string folded = Folded(word);
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kMaxWord) continue;
    const size_t distance = EditDistance(folded, Folded(candidate));
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  if (best == nullptr) return std::nullopt;
  return *best;
}

std::string DidYouMean(std::string_view word, std::span<const std::string> candidates,
                       std::string_view prefix) {
  const std::optional<std::string> match = NearMatch(word, candidates);
  return match ? "; did you mean " + std::string(prefix) + *match + "?" : "";
}

}  // namespace tandem
