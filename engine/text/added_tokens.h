#pragma once
// Tokens that are found in the text before anything else looks at it: "<|im_end|>" and its like.
// Immutable; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/text/tokenizer.h"

namespace tandem {

struct AddedToken {
  TokenId id = -1;
  std::string content;
  bool special = false;      // not text: left out of decoded text by default
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the whitespace before it
  bool rstrip = false;       // takes the whitespace behind it
  bool normalized = false;   // is looked for in the normalised text
};

class AddedTokenMatcher {
 public:
  AddedTokenMatcher() = default;
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  struct Part {
    std::string_view text;
    std::optional<TokenId> id;  // empty: ordinary text, never of length 0
  };
  // Leftmost match first, the longest at one place. The text is valid UTF-8.
  std::vector<Part> Split(std::string_view text) const;

  bool empty() const { return tokens_.empty(); }

 private:
  struct Node {
    std::vector<std::pair<char, int32_t>> children;  // sorted by byte
    int32_t token = -1;                              // index into tokens_ of what ends here
  };
  int32_t Child(int32_t node, char byte) const;
  // The index of the longest token at the front of `text`, or -1.
  int32_t LongestAt(std::string_view text) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;  // [0] is the root
  bool starts_[256] = {};    // bytes that some token begins with
};

}  // namespace tandem
