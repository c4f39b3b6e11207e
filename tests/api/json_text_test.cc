#include "api/openai/json_text.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace tandem {
namespace {

TEST(JsonText, EscapesSoThatAParserReadsTheSame) {
  std::string text;
  for (int c = 0; c < 128; ++c) text.push_back(static_cast<char>(c));
  text += "\xe4\xb8\xad\xf0\x9f\x98\x80";
  EXPECT_EQ(nlohmann::json::parse(JsonString(text)).get<std::string>(), text);
}

TEST(JsonText, LeavesPlainTextAlone) { EXPECT_EQ(JsonString("plain"), "\"plain\""); }

TEST(JsonText, NeverWritesALineEnd) {
  const std::string text = JsonString("a\n\ndata: x\r");
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text.find('\r'), std::string::npos);
}

TEST(JsonText, WritesNumbersThatReadBack) {
  for (const float value : {0.0f, -0.1f, 1e-30f, -12.345678f, 3e38f}) {
    std::string text;
    AppendJsonNumber(value, text);
    EXPECT_EQ(nlohmann::json::parse(text).get<float>(), value);
  }
  std::string text;
  AppendJsonNumber(-std::numeric_limits<float>::infinity(), text);
  EXPECT_EQ(text, "-9999");
}

}  // namespace
}  // namespace tandem
