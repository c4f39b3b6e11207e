#include "trainer/data/data_record.h"

#include <gtest/gtest.h>

#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

std::string TextProblem(std::string_view line) {
  const auto read = ReadTextRecord(line);
  return std::holds_alternative<BadRecord>(read) ? std::get<BadRecord>(read).reason : "";
}

std::string ConversationProblem(std::string_view line) {
  const auto read = ReadConversationRecord(line);
  return std::holds_alternative<BadRecord>(read) ? std::get<BadRecord>(read).reason : "";
}

ConversationRecord Conversation(std::string_view line) {
  auto read = ReadConversationRecord(line);
  EXPECT_EQ(ConversationProblem(line), "");
  return std::get<ConversationRecord>(std::move(read));
}

TEST(TextRecord, GivesTheText) {
  const auto read = ReadTextRecord(R"({"id": 1, "text": "a\n\u00e9"})");
  EXPECT_EQ(std::get<TextRecord>(read).text, "a\né");
}

TEST(TextRecord, SaysWhatIsWrong) {
  EXPECT_TRUE(Contains(TextProblem(R"({"text": "a)"), "JSON error at byte"));
  EXPECT_TRUE(Contains(TextProblem(R"({"text": "a"} x)"), "JSON error"));
  EXPECT_EQ(TextProblem(R"(["a"])"), "is a JSON array; a line must hold one JSON object");
  EXPECT_EQ(TextProblem("17"), "is no JSON object; a line must hold one JSON object");
  EXPECT_EQ(TextProblem(R"({"txt": "a"})"), "has no \"text\"");
  EXPECT_EQ(TextProblem(R"({"text": null})"), "has no \"text\"");
  EXPECT_EQ(TextProblem(R"({"text": 5})"), "\"text\" must be a string");
  EXPECT_EQ(TextProblem(R"({"text": ""})"), "the text is empty");
  EXPECT_EQ(TextProblem(R"({"text": " \n\t\u3000\u00a0"})"), "the text has only blanks");
  EXPECT_TRUE(Contains(TextProblem("{\"text\": \"a\xff\"}"), "is not UTF-8 at byte 12"));
  EXPECT_TRUE(Contains(TextProblem(R"({"text": "\ud800"})"), "JSON error"));
}

TEST(ConversationRecord, KeepsWhatTemplatesReadAndDropsWhatIsAbsent) {
  const ConversationRecord record = Conversation(
      R"({"conversations": [{"role": "user", "content": "1+1?", "tools": null},
      {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": ""},
      {"role": "tool", "content": "2"}]})");
  const auto& messages = record.messages.list().items;
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].dict().Find("tools"), nullptr);
  EXPECT_EQ(messages[1].dict().Find("content")->AsText(), "");
  EXPECT_EQ(messages[1].dict().Find("reasoning_content")->AsText(), "hm");
  EXPECT_EQ(messages[1].dict().Find("tool_calls"), nullptr);
  EXPECT_TRUE(record.tools.IsNone());
}

TEST(ConversationRecord, ReadsToolsAsJsonAndAsJsonInStrings) {
  const ConversationRecord in_strings = Conversation(
      R"({"conversations": [{"role": "system", "content": "", "tools": "[{\"name\": \"f\"}]"},
      {"role": "assistant", "content": "", "tool_calls": "[{\"name\": \"f\", \"arguments\": {}}]"}]})");
  const ConversationRecord as_values = Conversation(
      R"({"tools": [{"name": "f"}], "conversations": [{"role": "system", "content": ""},
      {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {}}]}]})");
  for (const ConversationRecord* record : {&in_strings, &as_values}) {
    ASSERT_TRUE(record->tools.IsList());
    EXPECT_EQ(record->tools.list().items[0].dict().Find("name")->AsText(), "f");
    const auto* calls = record->messages.list().items[1].dict().Find("tool_calls");
    ASSERT_TRUE(calls != nullptr && calls->IsList());
    EXPECT_TRUE(calls->list().items[0].dict().Find("arguments")->IsDict());
  }
}

TEST(ConversationRecord, SaysWhichMessageIsWrong) {
  const auto with = [](const std::string& turns) {
    return ConversationProblem("{\"conversations\": [" + turns + "]}");
  };
  const std::string user = R"({"role": "user", "content": "q"},)";
  EXPECT_EQ(ConversationProblem("{}"), "has no \"conversations\"");
  EXPECT_EQ(ConversationProblem(R"({"conversations": "x"})"),
            "\"conversations\" must be a list of messages");
  EXPECT_EQ(with(""), "\"conversations\" is empty");
  EXPECT_EQ(with("5"), "message 1 is no object");
  EXPECT_EQ(with(R"({"content": "x"})"), "message 1 has no role");
  EXPECT_EQ(with(user + R"({"role": "bot", "content": "x"})"),
            "message 2 has the role \"bot\"; known are system, user, assistant and tool");
  EXPECT_EQ(with(R"({"role": "user", "content": "q"})"), "has no turn of the assistant");
  EXPECT_EQ(with(user + R"({"role": "assistant", "content": " \n"})"),
            "message 2 is the assistant's and empty");
  EXPECT_EQ(with(user + R"({"role": "assistant", "content": {"a": 1}})"),
            "message 2: content must be a string");
  EXPECT_TRUE(Contains(with(R"({"role": "system", "content": "", "tools": "[{"})"),
                       "message 1: tools: JSON error at byte"));
  EXPECT_EQ(with(R"({"role": "assistant", "content": "", "tool_calls": "{}"})"),
            "message 1: tool_calls must be a list, or one in a JSON string");
}

}  // namespace
}  // namespace tandem
