#include "engine/text/detokenizer.h"

#include "engine/text/unicode.h"

namespace tandem {

std::string Detokenizer::Push(TokenId id) {
  if (skip_special_ && tokenizer_->IsSpecial(id)) return {};
  std::string_view bytes = tokenizer_->TokenBytes(id);
  if (bytes.empty()) return {};
  if (at_start_) {
    bytes.remove_prefix(tokenizer_->DummyPrefixBytes(id));
    at_start_ = bytes.empty() && tokenizer_->DropsEveryLeadingSpace();
  }
  pending_.append(bytes);
  std::string text;
  pending_.erase(0, AppendWholeCharacters(pending_, &text));
  return text;
}

std::string Detokenizer::Finish() {
  std::string text = ReplaceInvalidUtf8(pending_);
  pending_.clear();
  return text;
}

}  // namespace tandem
