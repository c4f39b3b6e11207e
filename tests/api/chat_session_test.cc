#include "api/cli/chat_session.h"

#include <gtest/gtest.h>

#include "api/cli/presets.h"
#include "api/cli/terminal_text.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using Next = ChatSession::Next;

// "role: content" of each message.
std::vector<std::string> Messages(const ChatSession& session, size_t max_turns = 100) {
  std::vector<std::string> lines;
  const Conversation conversation = session.MakeConversation(max_turns);
  for (const jinja::Value& message : conversation.messages.list().items) {
    lines.push_back(message.dict().Find("role")->AsText() + ": " +
                    message.dict().Find("content")->AsText());
  }
  return lines;
}

ChatSession WithTurns(const ChatOptions& options = {}) {
  ChatSession session(options);
  for (const char* question : {"one", "two"}) {
    EXPECT_EQ(session.Take(question).next, Next::kAnswer);
    session.Answered(std::string("answer ") + question);
  }
  session.Take("three");
  return session;
}

TEST(ChatSession, KeepsTheConversation) {
  const ChatSession session = WithTurns({.system = "be brief"});
  EXPECT_EQ(Messages(session),
            (std::vector<std::string>{"system: be brief", "user: one", "assistant: answer one",
                                      "user: two", "assistant: answer two", "user: three"}));
  EXPECT_EQ(Messages(session, 1).size(), 4u) << "where the context has no room for more";
}

TEST(ChatSession, RemembersAsManyMessagesAsAsked) {
  EXPECT_EQ(Messages(WithTurns({.history = 2})),
            (std::vector<std::string>{"user: two", "assistant: answer two", "user: three"}));
  EXPECT_EQ(Messages(WithTurns({.history = 0})), (std::vector<std::string>{"user: three"}));
  EXPECT_THROW(ChatSession({.history = 3}), ConfigError);
}

TEST(ChatSession, RetriesUndoesAndClears) {
  ChatSession session = WithTurns();
  session.Answered("answer three");
  EXPECT_EQ(session.Take("/retry").next, Next::kAnswer);
  EXPECT_EQ(session.pending(), "three");
  EXPECT_EQ(session.turns().size(), 2u);
  session.Answered("again");
  EXPECT_EQ(session.Take("/undo").next, Next::kRead);
  EXPECT_EQ(session.turns().size(), 2u);
  session.Take("/clear");
  EXPECT_TRUE(session.turns().empty());
  EXPECT_EQ(session.Take("/retry").next, Next::kRead) << "nothing to retry";
  EXPECT_EQ(session.Take("/undo").next, Next::kRead);
}

TEST(ChatSession, ChangesSettings) {
  ChatSession session({});
  session.Take("/set temperature 0.25");
  session.Take("/set max_tokens 7");
  session.Take("  /system  be kind ");
  session.Take("/think off");
  session.Take("/stats off");
  EXPECT_EQ(session.options().sampling.temperature, 0.25);
  EXPECT_EQ(session.options().max_tokens, 7);
  EXPECT_EQ(session.options().system, "be kind");
  EXPECT_EQ(session.options().think, false);
  EXPECT_FALSE(session.options().stats);
  session.Take("/preset code");
  EXPECT_EQ(session.options().sampling.temperature, 0.2);
  EXPECT_EQ(session.options().sampling.top_p, 0.95);
  EXPECT_NE(session.Take("/show").message.find("be kind"), std::string::npos);
}

TEST(ChatSession, ExplainsWhatItCannotDo) {
  ChatSession session({});
  const std::pair<const char*, const char*> cases[] = {
      {"/set temperature 3", "between 0 and 2"},
      {"/set top_k 1.5", "whole number"},
      {"/set temperature", "''"},
      {"/set color 1", "no setting 'color'"},
      {"/preset nothing", "no preset 'nothing'"},
      {"/nothing", "no /nothing"},
      {"/think maybe", "on, off or auto"},
  };
  for (const auto& [line, part] : cases) {
    const ChatSession::Outcome outcome = session.Take(line);
    EXPECT_EQ(outcome.next, Next::kRead) << line;
    EXPECT_NE(outcome.message.find(part), std::string::npos) << outcome.message;
  }
  EXPECT_FALSE(session.options().sampling.temperature.has_value());
}

TEST(ChatSession, HelpNamesEveryCommandAndPreset) {
  ChatSession session({});
  const std::string help = session.Take("/help").message;
  for (const char* command : {"/clear", "/retry", "/undo", "/system", "/set", "/preset", "/think",
                              "/stats", "/show", "/quit"}) {
    EXPECT_NE(help.find(command), std::string::npos) << command;
  }
  for (const SamplingPreset& preset : kSamplingPresets) {
    EXPECT_NE(help.find(preset.name), std::string::npos) << preset.name;
  }
  EXPECT_EQ(session.Take("/quit").next, Next::kQuit);
  EXPECT_EQ(session.Take("   ").next, Next::kRead);
}

TEST(ChatSession, TakesThePresetOfTheCommandLineUnderTheFlags) {
  const ChatSession session({.sampling = {.top_p = 0.5}, .preset = "creative"});
  EXPECT_EQ(session.options().sampling.temperature, 0.9);
  EXPECT_EQ(session.options().sampling.top_p, 0.5);
}

TEST(ChatSession, TellsTemplatesOfThinkingOnlyWhenAsked) {
  ChatSession session({});
  session.Take("hi");
  EXPECT_TRUE(session.MakeConversation(0).template_variables.empty());
  session.Take("/think on");
  const auto variables = session.MakeConversation(0).template_variables;
  ASSERT_EQ(variables.size(), 2u);
  EXPECT_EQ(variables[0].first, "enable_thinking");
  EXPECT_TRUE(variables[0].second.AsBool());
}

TEST(TerminalText, LetsNothingDriveTheTerminal) {
  EXPECT_EQ(TerminalText("a\n\tb \xe4\xbd\xa0"), "a\n\tb \xe4\xbd\xa0");
  EXPECT_EQ(TerminalText("\x1b[31mred\x07\x7f\r"),
            "\xef\xbf\xbd[31mred\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(TerminalText("\xc2\x9b"
                         "1m\xc2\xa9"),
            "\xef\xbf\xbd"
            "1m\xc2\xa9");
}

}  // namespace
}  // namespace tandem
