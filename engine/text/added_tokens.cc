#include "engine/text/added_tokens.h"

#include <algorithm>

#include "engine/text/unicode.h"

namespace tandem {
namespace {

char32_t FirstCharacter(std::string_view text) {
  size_t position = 0;
  return NextCharacter(text, &position);
}

bool StandsAlone(std::string_view before, std::string_view behind) {
  return (before.empty() || !IsWordCharacter(LastCharacter(before))) &&
         (behind.empty() || !IsWordCharacter(FirstCharacter(behind)));
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : nodes_(1) {
  for (AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    int32_t node = 0;
    for (const char byte : token.content) {
      int32_t child = Child(node, byte);
      if (child < 0) {
        child = static_cast<int32_t>(nodes_.size());
        auto& children = nodes_[static_cast<size_t>(node)].children;
        const std::pair<char, int32_t> entry(byte, child);
        children.insert(std::upper_bound(children.begin(), children.end(), entry), entry);
        nodes_.emplace_back();
      }
      node = child;
    }
    starts_[static_cast<uint8_t>(token.content[0])] = true;
    nodes_[static_cast<size_t>(node)].token = static_cast<int32_t>(tokens_.size());
    tokens_.push_back(std::move(token));
  }
}

int32_t AddedTokenMatcher::Child(int32_t node, char byte) const {
  const auto& children = nodes_[static_cast<size_t>(node)].children;
  const auto it = std::lower_bound(children.begin(), children.end(), byte,
                                   [](const auto& entry, char b) { return entry.first < b; });
  return it != children.end() && it->first == byte ? it->second : -1;
}

int32_t AddedTokenMatcher::LongestAt(std::string_view text) const {
  int32_t longest = -1;
  int32_t node = 0;
  for (const char byte : text) {
    node = Child(node, byte);
    if (node < 0) break;
    const int32_t token = nodes_[static_cast<size_t>(node)].token;
    if (token >= 0) longest = token;
  }
  return longest;
}

std::vector<AddedTokenMatcher::Part> AddedTokenMatcher::Split(std::string_view text) const {
  std::vector<Part> parts;
  size_t done = 0;  // what lies before is in `parts`
  auto add_text = [&](size_t end) {
    if (end > done) parts.push_back({text.substr(done, end - done), std::nullopt});
  };
  for (size_t at = 0; at < text.size() && !tokens_.empty();) {
    const int32_t index = starts_[static_cast<uint8_t>(text[at])] ? LongestAt(text.substr(at)) : -1;
    if (index < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(index)];
    size_t begin = at;
    size_t end = at + token.content.size();
    at = end;
    if (token.single_word && !StandsAlone(text.substr(0, begin), text.substr(end))) continue;
    if (token.lstrip) begin -= TrailingWhitespace(text.substr(done, begin - done));
    if (token.rstrip) end += LeadingWhitespace(text.substr(end));
    add_text(begin);
    parts.push_back({text.substr(begin, end - begin), token.id});
    done = at = end;
  }
  add_text(text.size());
  return parts;
}

}  // namespace tandem
