#include "trainer/data/conversation_renderer.h"

#include <gtest/gtest.h>

#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

constexpr std::string_view kTwoAnswers =
    R"({"conversations": [{"role": "user", "content": "q1"}, {"role": "assistant", "content": "a1"},
    {"role": "user", "content": "q2"}, {"role": "assistant", "content": "a2"}]})";

ConversationRecord Record(std::string_view line) {
  return std::get<ConversationRecord>(ReadConversationRecord(line));
}

ConversationRenderer Renderer(std::string_view source, RenderOptions options = {}) {
  const ChatTemplate::Tokens tokens = {{"eos_token", jinja::Value::Of("</s>")}};
  return ConversationRenderer(ChatTemplate(source, "test", tokens), std::move(options));
}

// The answers' texts, those of each rendering in turn.
std::vector<std::string> Answers(const ConversationRenderer& renderer, std::string_view line) {
  const auto rendered = renderer.Render(Record(line));
  if (const auto* bad = std::get_if<BadRecord>(&rendered)) {
    ADD_FAILURE() << bad->reason;
    return {};
  }
  std::vector<std::string> answers;
  for (const auto& conversation : std::get<std::vector<RenderedConversation>>(rendered)) {
    for (const jinja::TextRange& range : conversation.answers) {
      answers.push_back(conversation.text.substr(range.begin, range.end - range.begin));
    }
  }
  return answers;
}

std::string ProblemOf(const ConversationRenderer& renderer, std::string_view line) {
  const auto rendered = renderer.Render(Record(line));
  return std::holds_alternative<BadRecord>(rendered) ? std::get<BadRecord>(rendered).reason : "";
}

constexpr std::string_view kMessages =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    "{% endfor %}";

std::string WithPrompt(std::string_view messages, const std::string& prompt) {
  return std::string(messages) + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n" +
         prompt + "' }}{% endif %}";
}

TEST(ConversationRenderer, AnswersEndWithAllThatEndsTheirTurn) {
  EXPECT_EQ(Answers(Renderer(WithPrompt(kMessages, "")), kTwoAnswers),
            (std::vector<std::string>{"a1<|im_end|>\n", "a2<|im_end|>\n"}));
}

TEST(ConversationRenderer, ThinkingThatThePromptWritesIsTheAssistants) {
  const std::string always_thinks =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + ('<think>\n' + "
      "(m.reasoning_content or '') + '\n</think>\n\n' if m.role == 'assistant' else '') + "
      "m.content + '<|im_end|>\n' }}{% endfor %}";
  const std::string line =
      R"({"conversations": [{"role": "user", "content": "q"},
      {"role": "assistant", "content": "a", "reasoning_content": "hm"}]})";
  const std::vector<std::string> expected = {"<think>\nhm\n</think>\n\na<|im_end|>\n"};
  for (const std::string prompt : {"", "<think>\n", "<think>\n\n</think>\n\n"}) {
    EXPECT_EQ(Answers(Renderer(WithPrompt(always_thinks, prompt)), line), expected) << prompt;
  }
  // What a user says of thinking is not the prompt's.
  EXPECT_EQ(Answers(Renderer(WithPrompt(kMessages, "<think>\n")),
                    R"({"conversations": [{"role": "user", "content": "<think>\n"},
                    {"role": "assistant", "content": "a"}]})"),
            (std::vector<std::string>{"a<|im_end|>\n"}));
}

TEST(ConversationRenderer, BelievesTemplatesThatMarkTheirAnswers) {
  EXPECT_EQ(Answers(Renderer("{% for m in messages %}{{ m.role + ':' }}{% if m.role == 'assistant' "
                             "%}{% generation %}{{ m.content }}{% endgeneration %}{% else %}"
                             "{{ m.content }}{% endif %}{% endfor %}"),
                    kTwoAnswers),
            (std::vector<std::string>{"a1", "a2"}));
}

TEST(ConversationRenderer, ShowsWhereThePromptAndTheAnswerPart) {
  const std::string problem = ProblemOf(Renderer(WithPrompt(kMessages, "Sure: ")),
                                        R"({"conversations": [{"role": "user", "content": "q"},
                {"role": "assistant", "content": "a"}]})");
  EXPECT_TRUE(Contains(problem, "the prompt for message 2 differently once that follows; behind"));
  EXPECT_TRUE(Contains(problem, R"(<|im_start|>assistant\n" it wrote "Sure: ", and then "a<|im)"));
}

TEST(ConversationRenderer, RefusesWhatIsRewrittenOnceMoreTurnsFollow) {
  const std::string drops_old_thinking =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + ('<think>\n\n</think>\n\n' if "
      "m.role == 'assistant' and loop.last else '') + m.content + '<|im_end|>\n' }}{% endfor %}";
  const ConversationRenderer renderer = Renderer(WithPrompt(drops_old_thinking, ""));
  const std::string problem = ProblemOf(renderer, kTwoAnswers);
  EXPECT_TRUE(Contains(problem, "writes message 2 differently once another follows; behind"));
  EXPECT_TRUE(Contains(problem, R"(it wrote "<think>\n\n</think>)"));
  EXPECT_EQ(Answers(renderer, R"({"conversations": [{"role": "user", "content": "q"},
                              {"role": "assistant", "content": "a"}]})"),
            (std::vector<std::string>{"<think>\n\n</think>\n\na<|im_end|>\n"}));
}

TEST(ConversationRenderer, RendersEachAnswerAsTheLastWhenTold) {
  const std::string drops_old_thinking =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + ('<think>\n\n</think>\n\n' if "
      "m.role == 'assistant' and loop.last else '') + m.content + '<|im_end|>\n' }}{% endfor %}";
  const ConversationRenderer renderer =
      Renderer(WithPrompt(drops_old_thinking, ""), {.answers = AnswersPerSample::kOne});
  EXPECT_EQ(Answers(renderer, kTwoAnswers),
            (std::vector<std::string>{"<think>\n\n</think>\n\na1<|im_end|>\n",
                                      "<think>\n\n</think>\n\na2<|im_end|>\n"}));
  const auto rendered =
      std::get<std::vector<RenderedConversation>>(renderer.Render(Record(kTwoAnswers)));
  ASSERT_EQ(rendered.size(), 2u);
  EXPECT_EQ(rendered[1].text,
            "<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\na1<|im_end|>\n"
            "<|im_start|>user\nq2<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n\n</think>\n\na2<|im_end|>\n");
}

TEST(ConversationRenderer, ReportsWhatTheTemplateRaises) {
  EXPECT_TRUE(
      Contains(ProblemOf(Renderer("{{ raise_exception('roles must alternate') }}"), kTwoAnswers),
               "the chat template refuses it: "));
  EXPECT_EQ(ProblemOf(Renderer("nothing"), kTwoAnswers),
            "the chat template writes nothing of the assistant's turns");
}

TEST(ConversationRenderer, GivesTheTemplateItsVariables) {
  RenderOptions options;
  options.variables.emplace_back("name", jinja::Value::Of("Bo"));
  EXPECT_EQ(Answers(Renderer("{% for m in messages %}{{ m.content if m.role == 'user' else name "
                             "}}{% endfor %}",
                             options),
                    kTwoAnswers),
            (std::vector<std::string>{"Bo", "Bo"}));
}

}  // namespace
}  // namespace tandem
