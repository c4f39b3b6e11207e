#include "engine/base/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

std::string ErrorOf(std::string_view text, JsonLimits limits = {}) {
  return MessageOf<FormatError>([&] { ParseJson(text, "test.json", limits); });
}

std::string Repeated(std::string_view part, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += part;
  return text;
}

TEST(ParseJson, BuildsTheSameValueAsTheLibrary) {
  const char* text =
      R"({"a": [1, -2, 3.5, true, null, "x\u4e2d\n"], "b": {"c": {}, "d": []}, "e": 18446744073709551615})";
  EXPECT_EQ(ParseJson(text, "test"), Json::parse(text));
  EXPECT_EQ(ParseJson("7", "test"), Json(7));
}

TEST(ParseJson, NamesPlaceAndByteOfAnError) {
  const std::string message = ErrorOf(R"({"a": 1,})");
  EXPECT_TRUE(Contains(message, "test.json: "));
  EXPECT_TRUE(Contains(message, "at byte 9"));
  EXPECT_FALSE(Contains(message, "json.exception"));
}

TEST(ParseJson, RefusesMalformedTexts) {
  for (const char* text :
       {"", " ", "{", "[1 2]", "{\"a\" 1}", "nul", "NaN", "Infinity", "1 2", "'a'", "{\"a\":1}x",
        "\"\xff\"", "\"\xc0\xaf\"", "\"\\ud800\"", "01", "1e999", "-", "// c\n1", "\"\n\""}) {
    EXPECT_FALSE(ErrorOf(text).empty()) << text;
  }
}

TEST(ParseJson, KeepsControlCharactersOutOfMessages) {
  const std::string message = ErrorOf("[\"\x1b[31m\"]");
  for (char c : message) EXPECT_GE(static_cast<unsigned char>(c), 0x20u);
}

TEST(ParseJson, RefusesADoubledName) {
  EXPECT_TRUE(Contains(ErrorOf(R"({"a": 1, "b": 2, "a": 3})"), "\"a\" stands twice"));
}

TEST(ParseJson, EnforcesDepthWithoutRecursing) {
  const std::string deep = Repeated("[", 64) + Repeated("]", 64);
  EXPECT_NO_THROW(ParseJson(deep, "test"));
  EXPECT_TRUE(Contains(ErrorOf("[" + deep + "]"), "deeper than 64"));
  EXPECT_TRUE(Contains(ErrorOf(std::string(2'000'000, '[')), "deeper than 64"));
  EXPECT_TRUE(Contains(ErrorOf(Repeated("{\"a\":", 100000)), "deeper than 64"));
  const std::string very_deep = std::string(500'000, '[') + std::string(500'000, ']');
  EXPECT_NO_THROW(ParseJson(very_deep, "test", {.max_depth = 1'000'000}));
}

TEST(ParseJson, EnforcesBytesAndValues) {
  EXPECT_TRUE(Contains(ErrorOf("[1, 2]", {.max_bytes = 5}), "exceeds the limit of 5"));
  EXPECT_TRUE(Contains(ErrorOf("[1, 2]", {.max_values = 2}), "more than 2 values"));
  EXPECT_NO_THROW(ParseJson("[1, 2]", "test", {.max_bytes = 6, .max_values = 3}));
}

TEST(JsonFields, ReadsTypedFields) {
  const Json json = ParseJson(
      R"({"i": 3, "f": 1e6, "x": 2.5, "b": true, "s": "t", "n": null, "l": [1, 2], "o": {"k": 5}})",
      "test");
  JsonFields fields(json, "test");
  EXPECT_EQ(fields.Int("i"), 3);
  EXPECT_EQ(fields.Int("f"), 1000000);
  EXPECT_EQ(fields.Number("i"), 3.0);
  EXPECT_EQ(fields.Number("x"), 2.5);
  EXPECT_EQ(fields.Bool("b"), true);
  EXPECT_EQ(fields.String("s"), "t");
  EXPECT_EQ(fields.Int("n"), std::nullopt);
  EXPECT_TRUE(fields.IsNull("n"));
  EXPECT_FALSE(fields.IsNull("absent"));
  EXPECT_EQ(fields.Ints("l"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(fields.Object("o")->Int("k"), 5);
  EXPECT_NO_THROW(fields.ThrowIfProblems());
}

TEST(JsonFields, ListsEveryProblemAtOnce) {
  const Json json = ParseJson(
      R"({"i": "3", "r": 70000, "x": 2.5, "u": 18446744073709551615, "o": {"k": []}, "l": [1, "a"]})",
      "test");
  JsonFields fields(json, "config.json");
  EXPECT_EQ(fields.Int("i"), std::nullopt);
  EXPECT_EQ(fields.Int("r", {1, 65536}), std::nullopt);
  EXPECT_EQ(fields.Int("x"), std::nullopt);
  EXPECT_EQ(fields.Int("u"), std::nullopt);
  EXPECT_EQ(fields.Object("o")->Bool("k"), std::nullopt);
  EXPECT_EQ(fields.Ints("l"), std::nullopt);
  EXPECT_EQ(fields.RequiredInt("missing"), 0);
  EXPECT_EQ(fields.Number("x", {0.0, 1.0}), std::nullopt);
  const std::string message = MessageOf<FormatError>([&] { fields.ThrowIfProblems(); });
  EXPECT_EQ(message,
            "config.json: i is \"3\", expected an integer; r is 70000, expected 1 to 65536; "
            "x is 2.5, expected an integer; u is 18446744073709551615, expected an integer; "
            "o.k is an array, expected true or false; l is \"a\", expected an integer; "
            "missing is missing; x is 2.5, expected 0.0 to 1.0");
}

TEST(JsonFields, ReportsAValueThatIsNoObject) {
  const Json json = ParseJson("[1]", "test");
  JsonFields fields(json, "config.json");
  EXPECT_FALSE(fields.Has("a"));
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { fields.ThrowIfProblems(); }),
                       "config.json: expected an object, got an array"));
}

}  // namespace
}  // namespace tandem
