#include "trainer/data/minimind_preprocessing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace tandem {
namespace {

constexpr int kNumDocuments = 4000;

ConversationRecord Record(std::string_view line) {
  return std::get<ConversationRecord>(ReadConversationRecord(line));
}

const char* const kPlain =
    R"({"conversations": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})";

// The prompt that a document gets; "" for none.
std::string PromptOf(const MiniMindPreprocessing& options, int64_t document, const char* line) {
  ConversationRecord record = Record(line);
  const size_t num_messages = record.messages.list().items.size();
  MaybeAddSystemPrompt(options, document, &record);
  const auto& messages = record.messages.list().items;
  if (messages.size() == num_messages) return "";
  EXPECT_EQ(messages.size(), num_messages + 1);
  EXPECT_EQ(messages[0].dict().Find("role")->AsText(), "system");
  return messages[0].dict().Find("content")->AsText();
}

TEST(MiniMindPreprocessing, AddsSystemPromptsToItsShareOfDocuments) {
  const MiniMindPreprocessing options{.system_prompt_probability = 0.2, .seed = 42};
  int num_added = 0;
  std::set<std::string> prompts;
  for (int i = 0; i < kNumDocuments; ++i) {
    const std::string prompt = PromptOf(options, i, kPlain);
    EXPECT_EQ(prompt, PromptOf(options, i, kPlain));
    num_added += prompt.empty() ? 0 : 1;
    prompts.insert(prompt);
  }
  EXPECT_NEAR(num_added, 0.2 * kNumDocuments, 4 * std::sqrt(0.2 * 0.8 * kNumDocuments));
  EXPECT_EQ(prompts.size(), options.system_prompts.size() + 1);
}

TEST(MiniMindPreprocessing, LeavesSystemTurnsAndToolsAlone) {
  const MiniMindPreprocessing always{.system_prompt_probability = 1.0};
  EXPECT_NE(PromptOf(always, 0, kPlain), "");
  EXPECT_EQ(PromptOf(always, 0,
                     R"({"conversations": [{"role": "system", "content": "s"},
                     {"role": "assistant", "content": "a"}]})"),
            "");
  EXPECT_EQ(PromptOf(always, 0,
                     R"({"tools": [{"name": "f"}], "conversations":
                     [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})"),
            "");
  EXPECT_EQ(PromptOf({}, 0, kPlain), "");
}

TEST(MiniMindPreprocessing, AnotherSeedIsAnotherChoice) {
  const MiniMindPreprocessing one{.system_prompt_probability = 0.5, .seed = 1};
  const MiniMindPreprocessing other{.system_prompt_probability = 0.5, .seed = 2};
  int num_different = 0;
  for (int i = 0; i < 100; ++i) {
    num_different += PromptOf(one, i, kPlain) != PromptOf(other, i, kPlain) ? 1 : 0;
  }
  EXPECT_GT(num_different, 20);
}

TEST(MiniMindPreprocessing, RemovesEmptyThinkingAndMovesTheAnswers) {
  const std::string block = "<think>\n\n</think>\n\n";
  RenderedConversation rendered{
      .text = "user a assistant " + block + "one. user b assistant " + block + "two. end",
      .answers = {}};
  for (const char* word : {"one. ", "two. "}) {
    const size_t at = rendered.text.find(word);
    rendered.answers.push_back({.begin = at - block.size(), .end = at + 5});
  }
  RemoveEmptyThinking(&rendered);
  EXPECT_EQ(rendered.text, "user a assistant one. user b assistant two. end");
  ASSERT_EQ(rendered.answers.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const jinja::TextRange range = rendered.answers[i];
    EXPECT_EQ(rendered.text.substr(range.begin, range.end - range.begin),
              i == 0 ? "one. " : "two. ");
  }
}

TEST(MiniMindPreprocessing, RemovesFromItsShareOfDocuments) {
  const MiniMindPreprocessing options{.empty_thinking_removal_probability = 0.8, .seed = 7};
  int num_removed = 0;
  for (int i = 0; i < kNumDocuments; ++i) {
    RenderedConversation rendered{.text = "a <think>\n\n</think>\n\nb",
                                  .answers = {{.begin = 2, .end = 21}}};
    const size_t length = rendered.text.size();
    MaybeRemoveEmptyThinking(options, i, &rendered);
    num_removed += rendered.text.size() < length ? 1 : 0;
  }
  EXPECT_NEAR(num_removed, 0.8 * kNumDocuments, 4 * std::sqrt(0.2 * 0.8 * kNumDocuments));
}

}  // namespace
}  // namespace tandem
