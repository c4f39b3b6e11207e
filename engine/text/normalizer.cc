#include "engine/text/normalizer.h"

#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr size_t kMaxGrowth = 64;         // the normal forms alone reach 11
constexpr size_t kFreeBytes = 64 * 1024;  // short texts may grow by more: prefixes

struct ApplyStep {
  std::string_view text;
  size_t max_bytes;  // of the result

  std::string operator()(NormalForm form) const { return Normalize(text, form); }

  std::string operator()(const PrependStep& step) const {
    return text.empty() ? std::string() : step.prefix + std::string(text);
  }

  std::string operator()(const ReplaceStep& step) const {
    std::vector<Regex::Match> matches;
    step.pattern.FindAll(text, &matches);
    // At most: what is replaced does not count.
    if (text.size() + matches.size() * step.replacement.size() > max_bytes) {
      throw FormatError("the tokenizer's normalizer makes a text more than " +
                        std::to_string(kMaxGrowth) + " times as long");
    }
    std::string out;
    out.reserve(text.size());
    size_t done = 0;
    for (const auto& match : matches) {
      out.append(text.substr(done, match.begin - done));
      out.append(step.replacement);
      done = match.end;
    }
    out.append(text.substr(done));
    return out;
  }
};

}  // namespace

std::string Normalizer::Apply(std::string_view text) const {
  std::string result(text);
  const size_t max_bytes = kMaxGrowth * text.size() + kFreeBytes;
  for (const Step& step : steps_) result = std::visit(ApplyStep{result, max_bytes}, step);
  return result;
}

}  // namespace tandem
