#include "api/openai/legacy_logprobs.h"

#include <algorithm>

#include "api/openai/json_text.h"
#include "engine/base/printable.h"

namespace tandem {

namespace {

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t size = Utf8SequenceBytes(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

void AddTop(std::string label, float logprob, LegacyLogprob& entry) {
  for (const auto& [known, value] : entry.top) {
    if (known == label) return;
  }
  entry.top.emplace_back(std::move(label), logprob);
}

void AppendTop(const LegacyLogprob& entry, std::string& out) {
  if (!entry.logprob) {
    out.append("null");
    return;
  }
  out.push_back('{');
  for (const auto& [label, logprob] : entry.top) {
    if (out.back() != '{') out.push_back(',');
    AppendJsonString(label, out);
    out.push_back(':');
    AppendJsonNumber(logprob, out);
  }
  out.push_back('}');
}

// "name":[...] with one element an entry.
template <typename AppendElement>
void AppendArray(std::string_view name, std::span<const LegacyLogprob> entries,
                 AppendElement append, std::string& out) {
  AppendJsonString(name, out);
  out.append(":[");
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) out.push_back(',');
    append(entries[i]);
  }
  out.push_back(']');
}

}  // namespace

std::string TokenLabel(const Tokenizer& tokenizer, TokenId id) {
  static constexpr char kHex[] = "0123456789abcdef";
  const std::string_view bytes = tokenizer.TokenBytes(id);
  if (IsUtf8(bytes)) return std::string(bytes);
  std::string label = "bytes:";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    label.append("\\x");
    label.push_back(kHex[byte >> 4]);
    label.push_back(kHex[byte & 15]);
  }
  return label;
}

LegacyLogprob MakeLegacyLogprob(const Tokenizer& tokenizer, const ScoredToken& scored,
                                int64_t offset) {
  LegacyLogprob entry;
  entry.token = TokenLabel(tokenizer, scored.token.id);
  entry.logprob = scored.token.logprob;
  entry.text_offset = offset;
  for (const TokenLogprob& top : scored.top) {
    AddTop(TokenLabel(tokenizer, top.id), top.logprob, entry);
  }
  AddTop(entry.token, scored.token.logprob, entry);
  return entry;
}

void AppendLegacyLogprobs(std::span<const LegacyLogprob> entries, std::string& out) {
  out.push_back('{');
  AppendArray(
      "tokens", entries, [&](const LegacyLogprob& e) { AppendJsonString(e.token, out); }, out);
  out.push_back(',');
  AppendArray(
      "token_logprobs", entries,
      [&](const LegacyLogprob& e) {
        if (e.logprob) {
          AppendJsonNumber(*e.logprob, out);
        } else {
          out.append("null");
        }
      },
      out);
  out.push_back(',');
  AppendArray(
      "top_logprobs", entries, [&](const LegacyLogprob& e) { AppendTop(e, out); }, out);
  out.push_back(',');
  AppendArray(
      "text_offset", entries,
      [&](const LegacyLogprob& e) { out.append(std::to_string(e.text_offset)); }, out);
  out.push_back('}');
}

int64_t CountCharacters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

}  // namespace tandem
