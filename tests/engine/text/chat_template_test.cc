// Chat templates: real Jinja2's verdict on templates in the shape of those that models ship, and
// where a model's template is found.

#include "engine/text/chat_template.h"

#include <gtest/gtest.h>

#include "engine/text/chat_messages.h"
#include "tests/engine/text/jinja/golden.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using jinja::ExpectedOutcome;
using jinja::GoldenNow;
using jinja::OutcomeOf;
using jinja::ParseValue;
using jinja::ReadGolden;
using jinja::TextRange;
using jinja::Value;

const ChatTemplate::Tokens kTokens = {{"bos_token", Value::Of("<s>")},
                                      {"eos_token", Value::Of("</s>")}};

bool IsSet(const Value& object, const char* name) {
  const Value* value = object.dict().Find(name);
  return value != nullptr && value->AsBool();
}

ChatInput InputOf(const Value& golden, const Value& conversation) {
  ChatInput input = {.messages = *conversation.dict().Find("messages"), .now = GoldenNow()};
  if (IsSet(conversation, "tools")) input.tools = *golden.dict().Find("tools");
  if (IsSet(conversation, "prompt")) input.generation_prompt = GenerationPrompt::kAdd;
  if (const Value* options = conversation.dict().Find("options")) {
    for (const auto& [key, value] : options->dict().entries()) {
      input.variables.emplace_back(key.AsText(), value);
    }
  }
  return input;
}

std::vector<TextRange> ExpectedRanges(const Value& result) {
  std::vector<TextRange> ranges;
  if (result.list().items.size() < 3) return ranges;
  for (const Value& pair : result.list().items[2].list().items) {
    ranges.push_back({.begin = static_cast<size_t>(pair.list().items[0].AsInt()),
                      .end = static_cast<size_t>(pair.list().items[1].AsInt())});
  }
  return ranges;
}

TEST(ChatTemplateGolden, EveryConversationRendersAsTransformersRendersIt) {
  const Value golden = ReadGolden("chats.json");
  const auto& conversations = golden.dict().Find("conversations")->list().items;
  for (const auto& [name, source] : golden.dict().Find("templates")->dict().entries()) {
    const ChatTemplate chat(source.AsText(), name.AsText(), kTokens);
    const Value& results = *golden.dict().Find("results")->dict().Find(name.AsText());
    ASSERT_EQ(results.list().items.size(), conversations.size());
    for (size_t i = 0; i < conversations.size(); ++i) {
      SCOPED_TRACE(name.AsText() + ", conversation " + std::to_string(i));
      const Value& result = results.list().items[i];
      std::string detail;
      std::vector<TextRange> ranges;
      const auto render = [&] {
        jinja::Rendering rendering = chat.Render(InputOf(golden, conversations[i]));
        ranges = rendering.generated;
        return rendering.text;
      };
      EXPECT_EQ(OutcomeOf(render, &detail), ExpectedOutcome(result, 0)) << detail;
      if (result.list().items[0].AsText() == "ok") {
        EXPECT_EQ(ranges, ExpectedRanges(result));
      }
    }
  }
}

ChatInput Hello() {
  return {.messages = ParseValue(R"([{"role":"user","content":"Hi"}])", "test"),
          .generation_prompt = GenerationPrompt::kAdd};
}

TEST(ChatTemplate, ModelWithoutTemplateHasNone) {
  const TemporaryDirectory directory;
  EXPECT_FALSE(ChatTemplate::FromDirectory(directory.path()).has_value());
  directory.Write("tokenizer_config.json", R"({"bos_token": "<s>"})");
  EXPECT_FALSE(ChatTemplate::FromDirectory(directory.path()).has_value());
  directory.Write("tokenizer_config.json", R"({"chat_template": null})");
  EXPECT_FALSE(ChatTemplate::FromDirectory(directory.path()).has_value());
  EXPECT_TRUE(
      Contains(MessageOf<InvalidRequest>([] { FailWithoutChatTemplate("m"); }), "--chat-template"));
}

TEST(ChatTemplate, FileOfItsOwnWinsOverTheConfig) {
  const TemporaryDirectory directory;
  directory.Write("tokenizer_config.json",
                  R"({"chat_template": "config {{ bos_token }} {{ eos_token }}",
                      "bos_token": "<b>", "eos_token": {"content": "<e>"}})");
  EXPECT_EQ(ChatTemplate::FromDirectory(directory.path())->Render(Hello()).text, "config <b> <e>");
  directory.Write("chat_template.jinja", "file {{ bos_token }}\n");
  EXPECT_EQ(ChatTemplate::FromDirectory(directory.path())->Render(Hello()).text, "file <b>");
}

TEST(ChatTemplate, ListOfTemplatesChoosesByTools) {
  const TemporaryDirectory directory;
  directory.Write("tokenizer_config.json",
                  R"({"chat_template": [{"name": "default", "template": "plain"},
                                        {"name": "rag", "template": "{% broken"},
                                        {"name": "tool_use", "template": "{{ tools|length }} tools"}]})");
  const auto chat = ChatTemplate::FromDirectory(directory.path());
  ChatInput input = Hello();
  EXPECT_EQ(chat->Render(input).text, "plain");
  input.tools = ParseValue("[{}, {}]", "test");
  EXPECT_EQ(chat->Render(input).text, "2 tools");
  directory.Write("tokenizer_config.json", R"({"chat_template": [{"name": "x", "template": ""}]})");
  EXPECT_TRUE(Contains(
      MessageOf<FormatError>([&] { ChatTemplate::FromDirectory(directory.path()); }), "default"));
  directory.Write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_TRUE(Contains(
      MessageOf<FormatError>([&] { ChatTemplate::FromDirectory(directory.path()); }), "string"));
}

TEST(ChatTemplate, BrokenTemplateNamesFileAndLine) {
  const TemporaryDirectory directory;
  directory.Write("chat_template.jinja", "a\nb {% if %}\n");
  const std::string message =
      MessageOf<FormatError>([&] { ChatTemplate::FromDirectory(directory.path()); });
  EXPECT_TRUE(Contains(message, "chat_template.jinja: line 2: "));
}

TEST(ChatTemplate, OptionNamesAFileOrABuiltInTemplate) {
  const TemporaryDirectory directory;
  directory.Write("tokenizer_config.json", R"({"bos_token": "<b>"})");
  const auto file = directory.Write("mine.jinja", "mine {{ bos_token }}");
  EXPECT_EQ(ChatTemplate::FromOption(file.string(), directory.path()).Render(Hello()).text,
            "mine <b>");
  const ChatTemplate chatml = ChatTemplate::FromOption("chatml", directory.path());
  EXPECT_EQ(chatml.Render(Hello()).text, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_TRUE(Contains(
      MessageOf<ConfigError>([&] { ChatTemplate::FromOption("nothing", directory.path()); }),
      "--chat-template \"nothing\""));
}

TEST(ChatTemplate, VariablesOfTheRequestWinOverTokensButNotOverItsFields) {
  const ChatTemplate chat("{{ bos_token }}{{ enable_thinking }}", "test", kTokens);
  ChatInput input = Hello();
  input.variables = {{"enable_thinking", Value::Of(false)}, {"bos_token", Value::Of("B")}};
  EXPECT_EQ(chat.Render(input).text, "BFalse");
  input.variables = {{"messages", Value::None()}};
  EXPECT_TRUE(
      Contains(MessageOf<InvalidRequest>([&] { chat.Render(input); }), "chat_template_kwargs"));
}

TEST(ChatTemplate, MessagesMustBeObjects) {
  const ChatTemplate chat("x", "test");
  for (const char* messages : {"5", "{}", "[1]", "[[]]", "null"}) {
    const ChatInput input = {.messages = ParseValue(messages, "test")};
    EXPECT_THROW(chat.Render(input), InvalidRequest) << messages;
  }
}

TEST(ChatTemplate, KnowsWhetherItReadsPartsOfContent) {
  const char* const parts =
      "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}"
      "{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}{% endfor %}";
  EXPECT_EQ(ChatTemplate(parts, "test").content_form(), ContentForm::kParts);
  EXPECT_EQ(ChatTemplate(BuiltInChatMl(), "test").content_form(), ContentForm::kText);
  EXPECT_EQ(ChatTemplate("{{ messages[0].content + 'x' }}", "test").content_form(),
            ContentForm::kText);
  EXPECT_EQ(ChatTemplate("{{ messages|tojson }}", "test").content_form(), ContentForm::kText);
}

TEST(ChatMessages, TextPartsAreJoinedAndOthersStay) {
  const Value messages = ParseValue(
      R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
          {"role":"user","content":[{"type":"image"}]}, {"content":"c"}, {"content":[]}])",
      "test");
  const ChatTemplate chat("{% for m in messages %}{{ m.content|tojson }} {% endfor %}", "test");
  EXPECT_EQ(chat.Render({.messages = JoinTextParts(messages)}).text,
            "\"a\\nb\" [{\"type\": \"image\"}] \"c\" \"\" ");
}

TEST(ChatMessages, ArgumentsOfCallsAreParsed) {
  const auto messages = [](const std::string& arguments) {
    return ParseValue(R"([{"role":"user"},{"tool_calls":[{"id":"1","function":{"name":"f",)"
                      R"("arguments":)" +
                          arguments + "}}]}]",
                      "test");
  };
  const ChatTemplate chat("{{ messages[1].tool_calls[0]|tojson }}", "test");
  const auto render = [&](const std::string& arguments) {
    return chat.Render({.messages = WithParsedToolArguments(messages(arguments))}).text;
  };
  const std::string head = R"({"id": "1", "function": {"name": "f", "arguments": )";
  EXPECT_EQ(render(R"("{\"b\": 1, \"a\": 2}")"), head + R"({"b": 1, "a": 2}}})");
  EXPECT_EQ(render(R"("")"), head + "{}}}");
  EXPECT_EQ(render(R"({"x": 1})"), head + R"({"x": 1}}})");
  EXPECT_TRUE(Contains(MessageOf<InvalidRequest>([&] { render(R"("[1]")"); }),
                       "messages[1].tool_calls[0].function.arguments"));
  EXPECT_THROW(render(R"("{")"), InvalidRequest);
}

}  // namespace
}  // namespace tandem
