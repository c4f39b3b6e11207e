// `tandem chat` as a person at a terminal uses it, and with a list of prompts.

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/e2e/letter_model.h"
#include "tests/e2e/program.h"

namespace tandem {
namespace {

class ChatProgram : public ::testing::Test {
 protected:
  void SetUp() override { WriteLetterModel(model_, base_); }

  std::vector<std::string> Command(const std::vector<std::string>& more) const {
    std::vector<std::string> command = {TANDEM_BUILD_DIR "/bin/tandem",
                                        "chat",
                                        "--model",
                                        model_.string(),
                                        "--threads",
                                        "1",
                                        "--kv-cache-memory",
                                        "1MiB",
                                        "--seed",
                                        "1"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  TemporaryDirectory base_;
  const std::filesystem::path model_ = base_ / "model";
};

constexpr const char* kNoTerminal = "no terminal can be opened here (is /dev/pts mounted?)";

TEST_F(ChatProgram, TalksAtATerminal) {
  if (!Program::CanHaveTerminal()) GTEST_SKIP() << kNoTerminal;
  const auto chat_template =
      base_.Write("short.jinja", "{% for m in messages %}{{ m.content }} {% endfor %}");
  Program chat(Command({"--chat-template", chat_template.string(), "--max-tokens", "5"}),
               Program::Streams::kTerminal);
  ASSERT_TRUE(chat.WaitForOutput("> ")) << chat.text();
  chat.Type("hexx\b\blo\n");  // edited before it is sent
  ASSERT_TRUE(chat.WaitForOutput(" 5 in the prompt")) << "'helo ': " << chat.text();
  chat.ForgetOutput();
  chat.Type("again\n");
  ASSERT_TRUE(chat.WaitForOutput("in the prompt")) << chat.text();
  EXPECT_EQ(chat.text().find(" 6 in the prompt"), std::string::npos) << "no history";
  chat.ForgetOutput();
  chat.Type("\"\"\"two\nlines\"\"\"\n");
  ASSERT_TRUE(chat.WaitForOutput("a second")) << chat.text();
  chat.Type("/show\n");
  ASSERT_TRUE(chat.WaitForOutput("6 messages")) << chat.text();
  chat.Type("\x03");
  ASSERT_TRUE(chat.WaitForOutput("(Ctrl-D or /quit ends)")) << chat.text();
  chat.Type("\x04");
  EXPECT_EQ(chat.Wait(), 0) << chat.text();
}

TEST_F(ChatProgram, ContinuesTextWithoutATemplate) {
  if (!Program::CanHaveTerminal()) GTEST_SKIP() << kNoTerminal;
  Program chat(Command({"--max-tokens", "3"}), Program::Streams::kTerminal);
  ASSERT_TRUE(chat.WaitForOutput("> ")) << chat.text();
  EXPECT_NE(chat.text().find("--chat-template"), std::string::npos) << chat.text();
  chat.Type("hi\n");
  ASSERT_TRUE(chat.WaitForOutput("2 in the prompt")) << chat.text();
  chat.Type("hi\n");
  ASSERT_TRUE(chat.WaitForOutput("2 in the prompt, 0")) << "each text alone: " << chat.text();
  chat.Type("/quit\n");
  EXPECT_EQ(chat.Wait(), 0);
}

TEST_F(ChatProgram, AnswersAListTheSameWayEachTime) {
  const auto prompts = base_.Write("prompts.txt", "one\n\ntwo\r\n");
  const auto command = Command({"--prompts", prompts.string(), "--max-tokens", "6", "--no-stats"});
  std::string texts[2];
  for (std::string& text : texts) {
    Program list(command);
    ASSERT_EQ(list.Wait(), 0) << list.text();
    text = list.text().substr(list.text().find("> one"));
  }
  EXPECT_EQ(texts[0], texts[1]);
  EXPECT_NE(texts[0].find("> two\n"), std::string::npos) << texts[0];
  Program missing(Command({"--prompts", "/nowhere"}));
  EXPECT_EQ(missing.Wait(), 2);
  EXPECT_NE(missing.text().find("/nowhere"), std::string::npos) << missing.text();
}

TEST_F(ChatProgram, SaysWhenTheContextIsFull) {
  if (!Program::CanHaveTerminal()) GTEST_SKIP() << kNoTerminal;
  Program chat(
      Command({"--chat-template", "chatml", "--max-tokens", "40", "--max-model-len", "64"}),
      Program::Streams::kTerminal);
  ASSERT_TRUE(chat.WaitForOutput("> ")) << chat.text();
  for (int i = 0; i < 3; ++i) {
    chat.ForgetOutput();
    chat.Type("a longer message\n");
    ASSERT_TRUE(chat.WaitForOutput("a second")) << chat.text();
  }
  EXPECT_NE(chat.text().find("no longer sees the oldest"), std::string::npos) << chat.text();
}

}  // namespace
}  // namespace tandem
