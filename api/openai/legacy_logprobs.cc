#include "api/openai/legacy_logprobs.h"

#include <algorithm>
#include <vector>

#include "api/openai/json_text.h"
#include "api/openai/token_text.h"

namespace tandem {

namespace {

void AppendTop(const Tokenizer& tokenizer, const ReportedToken& entry, std::string& out) {
  if (!entry.logprob) {
    out.append("null");
    return;
  }
  std::vector<std::string> known;
  const auto append = [&](TokenId id, float logprob) {
    std::string label = TokenLabel(tokenizer, id);
    if (std::find(known.begin(), known.end(), label) != known.end()) return;
    if (!known.empty()) out.push_back(',');
    AppendJsonString(label, out);
    out.push_back(':');
    AppendJsonNumber(logprob, out);
    known.push_back(std::move(label));
  };
  out.push_back('{');
  for (const TokenLogprob& top : entry.top) append(top.id, top.logprob);
  append(entry.id, *entry.logprob);
  out.push_back('}');
}

// "name":[...] with one element an entry.
template <typename AppendElement>
void AppendArray(std::string_view name, std::span<const ReportedToken> entries,
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

void AppendLegacyLogprobs(const Tokenizer& tokenizer, std::span<const ReportedToken> entries,
                          std::string& out) {
  const auto label = [&](const ReportedToken& e) {
    AppendJsonString(TokenLabel(tokenizer, e.id), out);
  };
  const auto logprob = [&](const ReportedToken& e) {
    if (e.logprob) {
      AppendJsonNumber(*e.logprob, out);
    } else {
      out.append("null");
    }
  };
  const auto top = [&](const ReportedToken& e) { AppendTop(tokenizer, e, out); };
  const auto offset = [&](const ReportedToken& e) { out.append(std::to_string(e.text_offset)); };
  out.push_back('{');
  AppendArray("tokens", entries, label, out);
  out.push_back(',');
  AppendArray("token_logprobs", entries, logprob, out);
  out.push_back(',');
  AppendArray("top_logprobs", entries, top, out);
  out.push_back(',');
  AppendArray("text_offset", entries, offset, out);
  out.push_back('}');
}

}  // namespace tandem
