#pragma once
// Streaming: tokens in, whole UTF-8 characters out. Never emits half a character; what is not valid
// UTF-8 becomes U+FFFD, one for each maximal invalid part. One object a sequence, one thread.

#include <string>
#include <string_view>

#include "engine/text/tokenizer.h"

namespace tandem {

class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special = true)
      : tokenizer_(&tokenizer), skip_special_(skip_special) {}

  // Text that became complete with this token; often empty in the middle of a character.
  std::string Push(TokenId id);
  // The rest at the end of the sequence: an unfinished character becomes U+FFFD.
  std::string Finish();
  // A prompt came before: the first token's leading space is text, not the dummy prefix.
  void StartAfterText() { at_start_ = false; }

 private:
  const Tokenizer* tokenizer_;  // outlives this
  bool skip_special_;
  bool at_start_ = true;
  std::string pending_;  // bytes of an unfinished character, at most 3
};

}  // namespace tandem
