// Hostile templates and data: every limit is an error that names it, and nothing overflows.

#include <gtest/gtest.h>

#include "engine/text/jinja/json_value.h"
#include "engine/text/jinja/template.h"
#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem::jinja {
namespace {

using Variables = std::vector<std::pair<std::string, Value>>;

std::string Repeat(const std::string& text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

std::string RenderFailure(const std::string& source, const Variables& variables = {}) {
  const Template parsed(source, "test");
  return MessageOf<InvalidRequest>([&] { parsed.Render(variables, {}); });
}

std::string ParseFailure(const std::string& source) {
  return MessageOf<FormatError>([&] { Template(source, "test"); });
}

TEST(JinjaLimits, SourceIsBoundedInBytesAndNesting) {
  EXPECT_TRUE(Contains(ParseFailure(std::string(2 << 20, 'x')), "max_template_bytes"));
  EXPECT_TRUE(Contains(ParseFailure("\xff"), "UTF-8"));
  for (const char* open : {"(", "[", "{1:", "-", "not ", "f(", "x[", "1 if 1 else "}) {
    EXPECT_TRUE(Contains(ParseFailure("{{ " + Repeat(open, 50'000)), "max_nesting")) << open;
  }
  EXPECT_TRUE(Contains(ParseFailure(Repeat("{% if 1 %}", 50'000)), "max_nesting"));
  EXPECT_TRUE(Contains(ParseFailure(Repeat("{% for x in y %}", 50'000)), "max_nesting"));
  for (const char* chain :
       {"+1", "*1", "**1", " and 1", " or 1", "|upper", ".a", "[0]", "()", " if 1"}) {
    EXPECT_TRUE(Contains(ParseFailure("{{ 1" + Repeat(chain, 50'000) + " }}"), "operators"))
        << chain;
  }
}

TEST(JinjaLimits, LongFlatChainsAreFine) {
  EXPECT_EQ(Template("{{ ''" + Repeat("~'a'", 5000) + " }}", "test").Render({}, {}).text,
            std::string(5000, 'a'));
  EXPECT_EQ(Template("{{ 0" + Repeat("+1", 300) + " }}", "test").Render({}, {}).text, "300");
  EXPECT_EQ(Template("{% if 0 %}" + Repeat("{% elif 0 %}", 5000) + "{% else %}x{% endif %}", "test")
                .Render({}, {})
                .text,
            "x");
}

TEST(JinjaLimits, StepsAreBounded) {
  const std::string loops = "{% for a in range(99999) %}{% for b in range(999) %}{% endfor %}";
  EXPECT_TRUE(Contains(RenderFailure(loops + "{% endfor %}"), "max_steps"));
  EXPECT_TRUE(Contains(RenderFailure("{% set x = [0] * 50000 %}{% for a in x %}"
                                     "{% if 1 in x %}{% endif %}{% endfor %}"),
                       "max_steps"));
  EXPECT_TRUE(Contains(RenderFailure("{% set x = 'a' * 1000000 %}{% for a in range(99999) %}"
                                     "{% if 'b' in x %}{% endif %}{% endfor %}"),
                       "max_steps"));
}

TEST(JinjaLimits, RecursionIsBounded) {
  EXPECT_TRUE(
      Contains(RenderFailure("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), "max_depth"));
  EXPECT_TRUE(Contains(RenderFailure("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"),
                       "max_depth"));
  EXPECT_TRUE(Contains(RenderFailure("{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}"
                                     "{{ caller() }}{% endmacro %}{% call m() %}{% endcall %}"),
                       "max_depth"));
}

TEST(JinjaLimits, OneValueIsBounded) {
  for (const char* expression :
       {"'a' * 1000000000", "1000000000000 * 'a'", "[0] * 1000000000", "'%999999999d' % 1",
        "'{:999999999}'.format('a')", "'a'.center(999999999)", "'a'.zfill(999999999)",
        "'a'|indent(999999999)", "[1]|tojson(indent=999999999)", "'a'.ljust(9223372036854775807)",
        "[1]|batch(999999999, 0)|list", "[1]|slice(999999999)|list", "'%*d' % (999999999, 1)",
        "'\t'.expandtabs(999999999)", "(0,) * 9223372036854775807"}) {
    EXPECT_TRUE(Contains(RenderFailure("{{ " + std::string(expression) + " }}"), "max_value_bytes"))
        << expression;
  }
  EXPECT_TRUE(Contains(RenderFailure("{{ range(1000000000000) }}"), "100000"));
  EXPECT_TRUE(Contains(RenderFailure("{{ '%.999999999f' % 1.0 }}"), "precision"));
  EXPECT_TRUE(Contains(RenderFailure("{{ '{:.999999999f}'.format(1.0) }}"), "precision"));
  EXPECT_TRUE(Contains(RenderFailure("{% set ns = namespace(x='a') %}{% for i in range(60) %}"
                                     "{% set ns.x = ns.x ~ ns.x %}{% endfor %}"),
                       "max_value_bytes"));
  EXPECT_TRUE(Contains(RenderFailure("{% set ns = namespace(x=['a']) %}{% for i in range(60) %}"
                                     "{% set ns.x = ns.x + ns.x %}{% endfor %}"),
                       "max_value_bytes"));
}

TEST(JinjaLimits, AllValuesTogetherAreBounded) {
  EXPECT_TRUE(Contains(RenderFailure("{% for i in range(9999) %}{% set x = 'a' * 1000000 %}"
                                     "{% endfor %}"),
                       "max_total_bytes"));
}

TEST(JinjaLimits, OutputIsBounded) {
  EXPECT_TRUE(Contains(RenderFailure("{% set x = 'a' * 1000000 %}{% for i in range(100) %}{{ x }}"
                                     "{% endfor %}"),
                       "max_output_bytes"));
  EXPECT_TRUE(Contains(RenderFailure("{% set x = 'a' * 1000000 %}{% set y %}"
                                     "{% for i in range(100) %}{{ x }}{% endfor %}{% endset %}"),
                       "max_value_bytes"));
}

TEST(JinjaLimits, DeepValuesAreRefusedAndSharedOnesCost) {
  const std::string deepen = "{% for i in range(99999) %}{% set ns.x = ";
  EXPECT_TRUE(
      Contains(RenderFailure("{% set ns = namespace(x=[]) %}" + deepen + "[ns.x] %}{% endfor %}"),
               "max_value_depth"));
  EXPECT_TRUE(Contains(
      RenderFailure("{% set ns = namespace(x={}) %}" + deepen + "{'a': ns.x} %}{% endfor %}"),
      "max_value_depth"));
  EXPECT_TRUE(Contains(
      RenderFailure("{% set ns = namespace(x={}) %}" + deepen + "{'a': ns.x.items} %}{% endfor %}"),
      "max_value_depth"));
  EXPECT_TRUE(Contains(RenderFailure("{% set ns = namespace(x=[]) %}" + deepen +
                                     "ns.x|map('list') %}{% set ns.x = [ns.x] %}{% endfor %}"),
                       "max_value_depth"));
  // 2^100 elements, in 100 lists of two.
  const std::string shared =
      "{% set ns = namespace(x=[], y=[]) %}{% for i in range(100) %}"
      "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}";
  EXPECT_TRUE(Contains(RenderFailure(shared + "{{ ns.x == ns.y }}"), "max_steps"));
  EXPECT_TRUE(Contains(RenderFailure(shared + "{{ ns.x }}"), "limit"));
  EXPECT_TRUE(Contains(RenderFailure(shared + "{{ ns.x|tojson }}"), "limit"));
  EXPECT_TRUE(Contains(RenderFailure(shared + "{{ ns.x < ns.y }}"), "max_steps"));
}

TEST(JinjaLimits, CirclesOfObjectsAreFreedAndPrintedWithinBounds) {
  EXPECT_TRUE(Contains(RenderFailure("{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}"),
                       "max_depth"));
  const std::string chain =
      "{% set ns = namespace(last=none) %}{% for i in range(99999) %}"
      "{% set n = namespace(next=ns.last) %}{% set ns.last = n %}{% endfor %}ok";
  EXPECT_EQ(Template(chain, "test").Render({}, {}).text, "ok");
  EXPECT_EQ(Template("{% for x in [1] %}{{ loop.changed(loop) }}{% endfor %}", "test")
                .Render({}, {})
                .text,
            "True");
}

TEST(JinjaLimits, IntegersStayIn64Bits) {
  for (const char* expression :
       {"9223372036854775807 + 1", "-9223372036854775807 - 2", "9223372036854775807 * 2", "2 ** 63",
        "10 ** 400", "(-9223372036854775807 - 1) // -1", "-(-9223372036854775807 - 1)",
        "'99999999999999999999'|int", "1e300|int"}) {
    EXPECT_TRUE(Contains(RenderFailure("{{ " + std::string(expression) + " }}"), "64 bits"))
        << expression;
  }
  EXPECT_TRUE(Contains(ParseFailure("{{ 9223372036854775808 }}"), "64 bits"));
  EXPECT_EQ(Template("{{ (-9223372036854775807 - 1) % -1 }}"
                     "{{ [1, 2][-9223372036854775807 - 1:9223372036854775807] }}"
                     "{{ 'ab'[::-9223372036854775807 - 1] }}{{ 1 ** 9223372036854775807 }}",
                     "test")
                .Render({}, {})
                .text,
            "0[1, 2]b1");
}

TEST(JinjaLimits, OtherTemplatesAreRefused) {
  for (const char* source :
       {"{% include 'a' %}", "{% import 'a' as b %}", "{% from 'a' import b %}",
        "{% extends 'a' %}", "{% block a %}{% endblock %}"}) {
    EXPECT_TRUE(Contains(ParseFailure(source), "refused")) << source;
  }
}

TEST(JinjaErrors, NameTheLine) {
  EXPECT_TRUE(Contains(ParseFailure("a\nb\n{{ | }}"), "test: line 3: "));
  EXPECT_TRUE(Contains(RenderFailure("a\n\n{{ x.y }}"), "line 3: 'x' is undefined"));
  EXPECT_EQ(RenderFailure("\n{{ raise_exception('only this') }}"), "only this");
  EXPECT_TRUE(Contains(RenderFailure("{{ {}.a.b }}"), "'dict object' has no attribute 'a'"));
}

TEST(JinjaValues, KeepTheOrderOfJsonNames) {
  const Value value =
      ParseValue(R"({"z": 1, "a": {"y": [true, null, 1.5, "x"], "b": -2}})", "test");
  EXPECT_EQ(Template("{{ v|tojson }}", "test").Render({{"v", value}}, {}).text,
            R"({"z": 1, "a": {"y": [true, null, 1.5, "x"], "b": -2}})");
  EXPECT_TRUE(Contains(MessageOf<FormatError>([] { ParseValue("{\"a\": 1, \"a\": 2}", "w"); }),
                       "w: the name \"a\" stands twice"));
  EXPECT_TRUE(
      Contains(MessageOf<FormatError>([] { ParseValue(Repeat("[", 65), "w"); }), "64 levels"));
  EXPECT_TRUE(Contains(MessageOf<FormatError>([] { ParseValue("[1,", "w"); }), "byte 4"));
  EXPECT_THROW(ParseValue("[1, 2, 3]", "w", {.max_values = 2}), FormatError);
}

TEST(JinjaValues, LargeObjectsAreFoundByName) {
  std::string json = "{";
  for (int i = 0; i < 50'000; ++i) {
    json += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":" + std::to_string(i);
  }
  const Value value = ParseValue(json + "}", "test");
  EXPECT_EQ(Template("{{ v.k0 }} {{ v.k12 }} {{ v['k49999'] }} {{ v.k50000 is defined }}", "test")
                .Render({{"v", value}}, {})
                .text,
            "0 12 49999 False");
}

}  // namespace
}  // namespace tandem::jinja
