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

  std::string operator()(const LowercaseStep&) const { return ToLowercase(text); }

  std::string operator()(const StripStep& step) const {
    const size_t left = step.left ? LeadingWhitespace(text) : 0;
    const std::string_view rest = text.substr(left);
    return std::string(rest.substr(0, rest.size() - (step.right ? TrailingWhitespace(rest) : 0)));
  }

  std::string operator()(const StripMarksStep&) const {
    std::string out;
    for (size_t position = 0; position < text.size();) {
      const size_t begin = position;
      if (!IsMark(NextCharacter(text, &position))) out += text.substr(begin, position - begin);
    }
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
