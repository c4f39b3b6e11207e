// From tokens to text: however the bytes are cut into tokens, the detokenizer and the stop matcher
// give the same text, in whole characters, up to the stop string that a plain search finds.

#include <algorithm>
#include <string>
#include <vector>

#include "engine/text/detokenizer.h"
#include "engine/text/stop_matcher.h"
#include "engine/text/unicode.h"
#include "tests/fuzz/fuzz_target.h"

namespace tandem {
namespace {

// Token i is the i-th piece of some bytes.
class PieceTokenizer final : public Tokenizer {
 public:
  explicit PieceTokenizer(std::vector<std::string_view> pieces) : pieces_(std::move(pieces)) {}

  std::vector<TokenId> Encode(std::string_view, SpecialTokens) const override { return {}; }
  std::string_view TokenBytes(TokenId id) const override {
    return pieces_[static_cast<size_t>(id)];
  }
  bool IsSpecial(TokenId) const override { return false; }
  bool DropsLeadingSpace() const override { return false; }
  int64_t vocab_size() const override { return static_cast<int64_t>(pieces_.size()); }
  std::optional<TokenId> bos_id() const override { return std::nullopt; }
  std::optional<TokenId> eos_id() const override { return std::nullopt; }
  std::optional<TokenId> FindToken(std::string_view) const override { return std::nullopt; }

 private:
  std::vector<std::string_view> pieces_;
};

// `sizes` are used in turn; 0 makes an empty token.
PieceTokenizer Cut(std::string_view bytes, const std::vector<size_t>& sizes) {
  std::vector<std::string_view> pieces;
  for (size_t i = 0; !bytes.empty(); ++i) {
    pieces.push_back(bytes.substr(0, sizes[i % sizes.size()]));
    bytes.remove_prefix(pieces.back().size());
  }
  return PieceTokenizer(std::move(pieces));
}

struct Output {
  std::string text;
  std::string matched;
  bool operator==(const Output&) const = default;
};

struct StopRule {
  std::vector<std::string> stops;
  bool include = false;
};

// The earliest match wins, then the longest.
Output Expected(const std::string& text, const StopRule& rule) {
  for (size_t at = 0; at < text.size(); ++at) {
    std::string longest;
    for (const std::string& stop : rule.stops) {
      if (stop.size() > longest.size() && text.compare(at, stop.size(), stop) == 0) longest = stop;
    }
    if (longest.empty()) continue;
    return {text.substr(0, at + (rule.include ? longest.size() : 0)), longest};
  }
  return {text, ""};
}

Output Stream(const PieceTokenizer& tokenizer, const StopRule& rule) {
  Detokenizer detokenizer(tokenizer);
  StopMatcher matcher(rule.stops, rule.include);
  Output output;
  const auto emit = [&output](const std::string& text) {
    CHECK(IsValidUtf8(text), "half a character was emitted");
    output.text += text;
  };
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    emit(matcher.Push(detokenizer.Push(id)).text);
  }
  emit(matcher.Push(detokenizer.Finish()).text);
  emit(matcher.Finish());
  CHECK(matcher.stopped() == !matcher.matched().empty());
  output.matched = matcher.matched();
  return output;
}

StopRule TakeRule(FuzzInput* input) {
  const uint8_t choices = input->TakeByte();
  StopRule rule{.stops = {}, .include = (choices & 0x80) != 0};
  for (int i = 0; i < (choices & 3); ++i) {
    rule.stops.push_back(ReplaceInvalidUtf8(input->Take(input->TakeByte() % 8)));
  }
  return rule;
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  FuzzInput input(data, size);
  const StopRule rule = TakeRule(&input);
  std::vector<size_t> sizes;
  for (const char c : input.Take(3)) sizes.push_back(static_cast<uint8_t>(c) % 6);
  sizes.push_back(1);  // so that every cutting comes to its end
  const std::string_view bytes = input.TakeRest();

  const std::string whole = ReplaceInvalidUtf8(bytes);
  const Output expected = Expected(whole, rule);
  CHECK(Stream(Cut(bytes, {bytes.size()}), rule) == expected);
  CHECK(Stream(Cut(bytes, {1}), rule) == expected);
  CHECK(Stream(Cut(bytes, sizes), rule) == expected);
  return 0;
}
