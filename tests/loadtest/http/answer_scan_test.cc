#include "loadtest/http/answer_scan.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "loadtest/http/event_reader.h"

namespace tandem {
namespace {

TEST(AnswerScan, FindsTheTextOfCompletionsAndChats) {
  const AnswerScan completion = ScanAnswer(
      R"({"id":"x","choices":[{"index":0,"text":" fall","logprobs":null,"finish_reason":null}],"usage":null})");
  EXPECT_TRUE(completion.is_json && completion.has_choice && completion.has_text);
  EXPECT_FALSE(completion.has_finish || completion.has_error);
  EXPECT_EQ(completion.text, " fall");
  EXPECT_EQ(completion.completion_tokens, std::nullopt);
  const AnswerScan chat = ScanAnswer(
      R"({ "choices" : [ { "delta" : { "role":"assistant", "content" : "a \"b\" \\" } } ] })");
  EXPECT_EQ(chat.text, R"(a \"b\" \\)");
  const AnswerScan whole =
      ScanAnswer(R"({"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]})");
  EXPECT_EQ(whole.text, "hi");
  EXPECT_TRUE(whole.has_finish);
  const AnswerScan thinking = ScanAnswer(R"({"choices":[{"delta":{"reasoning_content":"hm"}}]})");
  EXPECT_TRUE(thinking.has_text);
  EXPECT_EQ(thinking.text, "");
}

TEST(AnswerScan, FindsTokenIdsAndTheContextOfAModel) {
  const AnswerScan chunk = ScanAnswer(
      R"({"choices":[{"index":0,"text":"","logprobs":{"tokens":["a"]},"finish_reason":null,)"
      R"("token_ids":[17,4],"prompt_token_ids":[1,2,3]}]})");
  EXPECT_EQ(chunk.token_ids, "17,4");
  EXPECT_FALSE(chunk.has_text);
  EXPECT_EQ(ScanAnswer(R"({"token_ids":[5],"choices":[{"text":"x"}]})").token_ids, "");
  const AnswerScan models =
      ScanAnswer(R"({"data":[{"id":"a","max_model_len":1024},{"id":"b","max_model_len":2048}]})");
  EXPECT_EQ(models.first_max_model_len, 1024);
}

TEST(AnswerScan, AnEmptyDeltaHasNoText) {
  const AnswerScan role =
      ScanAnswer(R"({"choices":[{"delta":{"role":"assistant","content":""}}]})");
  EXPECT_TRUE(role.has_choice);
  EXPECT_FALSE(role.has_text);
  // A text elsewhere is none of the answer's.
  EXPECT_FALSE(ScanAnswer(R"({"choices":[{"logprobs":{"content":[{"text":"x"}]}}]})").has_text);
  EXPECT_FALSE(ScanAnswer(R"({"other":{"text":"x"},"prompt":"text"})").has_text);
}

TEST(AnswerScan, ReadsUsage) {
  const AnswerScan scan = ScanAnswer(
      R"({"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15,)"
      R"("prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"x":1}}})");
  EXPECT_FALSE(scan.has_choice);
  EXPECT_EQ(scan.prompt_tokens, 12);
  EXPECT_EQ(scan.completion_tokens, 3);
  EXPECT_EQ(scan.cached_tokens, 8);
  EXPECT_EQ(ScanAnswer(R"({"request_id":"r","text":"a b","tokens":4})").completion_tokens, 4);
}

TEST(AnswerScan, FindsErrorsAndTheirMessages) {
  const AnswerScan scan = ScanAnswer(R"({"error":{"message":"queue \"full\"","code":null}})");
  EXPECT_TRUE(scan.has_error);
  EXPECT_EQ(scan.message, R"(queue \"full\")");
  EXPECT_EQ(ScanAnswer(R"({"error":"no"})").message, "no");
  EXPECT_TRUE(ScanAnswer(R"({"error":5})").has_error);
  EXPECT_FALSE(ScanAnswer(R"({"error":null,"choices":[]})").has_error);
  EXPECT_EQ(ScanAnswer(R"({"data":[{"id":"m1"},{"id":"m2"}]})").first_id, "m1");
}

TEST(AnswerScan, SurvivesEveryBrokenText) {
  const std::string text =
      R"({"choices":[{"delta":{"content":"a\u0041\""},"n":[1,{"x":-2.5e3}]}],"error":null})";
  EXPECT_TRUE(ScanAnswer(text).is_json);
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ScanAnswer(text.substr(0, size)).is_json) << size;
  }
  for (const char* wrong : {"", "[1]", "null", "{]", "{\"a\":[}", "{\"a\\", "}", "\xff{"}) {
    EXPECT_FALSE(ScanAnswer(wrong).is_json) << wrong;
  }
  EXPECT_FALSE(ScanAnswer("{\"a\":" + std::string(100, '[')).is_json);
}

std::vector<std::string> DataOf(std::string_view text, size_t step) {
  EventReader reader;
  std::vector<std::string> found;
  for (size_t at = 0; at < text.size(); at += step) {
    EXPECT_TRUE(reader.Feed(text.substr(at, step),
                            [&](std::string_view data) { found.emplace_back(data); }));
  }
  return found;
}

TEST(EventReader, FindsDataHoweverTheBytesCome) {
  constexpr std::string_view kText =
      ": keep-alive\n\nevent: x\ndata: {\"a\":1}\n\ndata:second\r\n\r\nid: 1\ndata: [DONE]\n\n";
  for (size_t step = 1; step <= kText.size(); ++step) {
    EXPECT_EQ(DataOf(kText, step), (std::vector<std::string>{"{\"a\":1}", "second", "[DONE]"}));
  }
}

TEST(EventReader, RefusesALineWithoutEnd) {
  EventReader reader;
  const std::string piece(EventReader::kMaxLineBytes, 'x');
  EXPECT_TRUE(reader.Feed(piece, [](std::string_view) {}));
  EXPECT_FALSE(reader.Feed("x", [](std::string_view) {}));
}

}  // namespace
}  // namespace tandem
