#include "engine/text/normalizer.h"

namespace tandem {
namespace {

struct ApplyStep {
  std::string_view text;

  std::string operator()(NormalForm form) const { return Normalize(text, form); }

  std::string operator()(const PrependStep& step) const {
    return text.empty() ? std::string() : step.prefix + std::string(text);
  }

  std::string operator()(const ReplaceStep& step) const {
    std::vector<Regex::Match> matches;
    step.pattern.FindAll(text, &matches);
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
  for (const Step& step : steps_) result = std::visit(ApplyStep{result}, step);
  return result;
}

}  // namespace tandem
