// Random bytes and random sentences of the grammar: they parse and render, or fail with one of the
// two kinds of error, within small limits.

#include <gtest/gtest.h>

#include <random>

#include "tests/engine/text/jinja/golden.h"

namespace tandem::jinja {
namespace {

constexpr JinjaLimits kSmallLimits = {.max_depth = 100,
                                      .max_steps = 20'000,
                                      .max_output_bytes = 1 << 16,
                                      .max_value_bytes = 1 << 16,
                                      .max_total_bytes = 1 << 22,
                                      .max_value_depth = 20};

class Sentences {
 public:
  explicit Sentences(uint32_t seed) : random_(seed) {
    const Value golden = ReadGolden("cases.json");
    for (const auto& [key, value] : golden.dict().Find("context")->dict().entries()) {
      variables_.emplace_back(key.AsText(), value);
    }
    for (const Value& entry : golden.dict().Find("cases")->list().items) {
      cases_.push_back(entry.list().items[0].AsText());
    }
  }

  size_t Below(size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random_); }

  std::string Bytes() {
    static const std::string kAlphabet = "{}%#-+ \n'\"|.,:()[]=<>~*/abif01_\\\xc3\xa9";
    std::string text;
    for (size_t i = Below(60); i > 0; --i) text += kAlphabet[Below(kAlphabet.size())];
    return text;
  }

  // One case with pieces of others in it.
  std::string Spliced() {
    std::string text = cases_[Below(cases_.size())];
    for (size_t i = Below(3) + 1; i > 0; --i) {
      const std::string& other = cases_[Below(cases_.size())];
      if (other.empty()) continue;
      const size_t from = Below(other.size());
      text.insert(Below(text.size() + 1), other.substr(from, Below(other.size() - from) + 1));
    }
    return text;
  }

  std::string Expression(int depth) {
    static const char* const kAtoms[] = {"n",        "s",   "d",     "nums", "foo",     "users",
                                         "1",        "2.5", "'x'",   "none", "true",    "[1]",
                                         "{'a': n}", "u",   "words", "()",   "range(4)"};
    static const char* const kOperators[] = {" + ",  " - ",   " * ",  " / ",     " // ",
                                             " % ",  " ** ",  " ~ ",  " == ",    " < ",
                                             " in ", " and ", " or ", " not in "};
    static const char* const kSuffixes[] = {"|upper",
                                            "|list",
                                            "|join(',')",
                                            "|tojson",
                                            "|length",
                                            "|first",
                                            "|sort",
                                            "|map('string')|list",
                                            "[0]",
                                            "[1:]",
                                            "[::-1]",
                                            ".name",
                                            ".items()",
                                            ".split()",
                                            "|int",
                                            "|default(1)",
                                            "|batch(2)|list",
                                            " is odd",
                                            " is string",
                                            "|select|list",
                                            "|groupby('age')",
                                            "|dictsort",
                                            "|replace('1', n)",
                                            ".format(n, s)",
                                            "|format(n)",
                                            "|unique|list",
                                            "|sum",
                                            "|round(2)",
                                            "|indent(3)",
                                            "|trim"};
    if (depth == 0) return kAtoms[Below(std::size(kAtoms))];
    switch (Below(4)) {
      case 0:
        return "(" + Expression(depth - 1) + kOperators[Below(std::size(kOperators))] +
               Expression(depth - 1) + ")";
      case 1:
        return "(" + Expression(depth - 1) + " if " + Expression(depth - 1) + " else " +
               Expression(depth - 1) + ")";
      default:
        return "(" + Expression(depth - 1) + ")" + kSuffixes[Below(std::size(kSuffixes))];
    }
  }

  std::string Statements(int depth) {
    if (depth == 0) return "{{ " + Expression(2) + " }}";
    switch (Below(6)) {
      case 0:
        return "{% for x in " + Expression(2) + " %}{% set n = x %}" + Statements(depth - 1) +
               "{{ loop.index }}{% else %}e{% endfor %}";
      case 1:
        return "{% if " + Expression(2) + " -%}" + Statements(depth - 1) + "{% endif %}";
      case 2:
        return "{% macro m(s) %}" + Statements(depth - 1) + "{% endmacro %}{{ m(" + Expression(1) +
               ") }}";
      case 3:
        return "{% set s %}" + Statements(depth - 1) + "{% endset %}{{ s }}";
      case 4:
        return "{% generation %}" + Statements(depth - 1) + "{% endgeneration %}";
      default:
        return Statements(depth - 1) + Statements(depth - 1);
    }
  }

  void Try(const std::string& source) {
    SCOPED_TRACE(source);
    try {
      const Rendering rendering = Template(source, "random", kSmallLimits).Render(variables_, {});
      EXPECT_LE(rendering.text.size(), kSmallLimits.max_output_bytes);
      ++num_rendered_;
    } catch (const FormatError&) {
    } catch (const InvalidRequest&) {
    }
  }

  size_t num_rendered() const { return num_rendered_; }

 private:
  std::mt19937 random_;
  std::vector<std::pair<std::string, Value>> variables_;
  std::vector<std::string> cases_;
  size_t num_rendered_ = 0;
};

TEST(JinjaRandom, BytesNeverBreakOut) {
  Sentences sentences(1);
  for (int i = 0; i < 20'000; ++i) sentences.Try(sentences.Bytes());
}

TEST(JinjaRandom, SplicedTemplatesNeverBreakOut) {
  Sentences sentences(2);
  for (int i = 0; i < 10'000; ++i) sentences.Try(sentences.Spliced());
  EXPECT_GT(sentences.num_rendered(), 300u);
}

TEST(JinjaRandom, SentencesOfTheGrammarNeverBreakOut) {
  Sentences sentences(3);
  for (int i = 0; i < 5'000; ++i) sentences.Try(sentences.Statements(1 + i % 4));
  EXPECT_GT(sentences.num_rendered(), 300u);
}

}  // namespace
}  // namespace tandem::jinja
