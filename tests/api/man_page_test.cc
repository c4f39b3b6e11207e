#include "api/cli/man_page.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "engine/base/setting_text.h"
#include "kernels/core/error.h"
#include "tests/api/support/odd_commands.h"

namespace tandem {
namespace {

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// What follows the term of a row up to the next one.
std::string ItemOf(const std::string& page, const std::string& flag) {
  const size_t begin = page.find("\\fB" + RoffText("--" + flag) + "\\fR");
  if (begin == std::string::npos) return "";
  return page.substr(begin, page.find("\n.TP\n", begin) - begin);
}

std::vector<std::string> AllPages() {
  const std::vector<Command> commands = Commands();
  std::vector<std::string> pages = {ProgramManPage(commands, "1.2.3")};
  for (const Command& command : commands) {
    if (command.settings != nullptr) pages.push_back(CommandManPage(command, "1.2.3"));
  }
  pages.push_back(CommandManPage(OddCommands().odd(), "1.2.3"));
  return pages;
}

TEST(ManPage, HasEveryKnobWithItsHelpAndVariable) {
  for (const Command& command : Commands()) {
    if (command.settings == nullptr) continue;
    const std::string page = CommandManPage(command, "1.2.3");
    for (const Setting& row : command.settings->rows()) {
      SCOPED_TRACE(command.name + " --" + row.name);
      const std::string item = ItemOf(page, row.name);
      EXPECT_TRUE(Contains(item, RoffText(HelpWithFacts(row)))) << item;
      EXPECT_EQ(Contains(item, command.settings->VariableOf(row.name)), !IsRequest(row)) << item;
      EXPECT_EQ(Contains(item, RoffText("--no-" + row.name)), CanBeTurnedOff(row)) << item;
      for (const std::string& word : row.words) {
        EXPECT_TRUE(Contains(item, "\\fB" + RoffText(word) + "\\fR")) << item;
      }
      if (!row.knob.group.empty()) {
        EXPECT_TRUE(Contains(page, "\n.SS " + RoffText(row.knob.group) + "\n"));
      }
    }
  }
}

TEST(ManPage, SaysWhatTheCommandIsFor) {
  const Command serve = Commands().front();
  const std::string page = CommandManPage(serve, "1.2.3");
  EXPECT_TRUE(Contains(page, ".TH TANDEM\\-SERVE 1 \"\" \"tandem 1.2.3\" \"Tandem manual\"\n"));
  EXPECT_TRUE(Contains(page, ".SH NAME\ntandem\\-serve \\- serve a model over HTTP\n"));
  EXPECT_TRUE(Contains(page, "\\fBtandem serve\\fR\n[\\fIflags\\fR]\n[\\fIMODEL\\fR]\n"));
  EXPECT_TRUE(Contains(ItemOf(page, "port"), "(default 8000, 0 to 65535)"));
  EXPECT_TRUE(Contains(ItemOf(page, "api-key"), "given more than once"));
}

TEST(ManPage, OfTheProgramHasEveryCommand) {
  const std::vector<Command> commands = Commands();
  const std::string page = ProgramManPage(commands, "1.2.3");
  for (const Command& command : commands) {
    EXPECT_TRUE(Contains(page, ".TP\n\\fB" + command.name + "\\fR"));
    EXPECT_TRUE(Contains(page, "\n" + RoffText(command.purpose)));
    EXPECT_EQ(Contains(page, ".BR tandem\\-" + command.name + " (1)"), command.settings != nullptr);
  }
}

// No text of ours becomes a request by the place where it stands in a line, and none is lost.
TEST(ManPage, HasOnlyTheRequestsItMeans) {
  const std::set<std::string> known = {".\\\"", ".TH", ".SH", ".SS", ".TP",
                                       ".BR",   ".PP", ".br", ".nh", ".ad"};
  for (const std::string& page : AllPages()) {
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_FALSE(line.empty()) << "an empty line in\n" << page;
      EXPECT_FALSE(line.starts_with('\'')) << line;
      const bool is_request = line.starts_with('.');
      EXPECT_TRUE(!is_request || known.contains(line.substr(0, line.find(' ')))) << line;
      for (const char c : line) EXPECT_TRUE(c >= ' ' && c <= '~') << line;
    }
  }
}

TEST(ManPage, EscapesOddTexts) {
  const std::string page = CommandManPage(OddCommands().odd(), "1.2.3");
  EXPECT_TRUE(Contains(page, "\nit\\(aqs \\(dqx\\(dq [y]: $(z) \\(gaw\\(ga \\e \\-1\n"));
  EXPECT_TRUE(Contains(page, "\n.SH DESCRIPTION\n\\&.is \\(aqodd\\(aq\n"));
  EXPECT_TRUE(Contains(page, "\n.SS A \\(aqgroup\\(aq\n"));
  EXPECT_TRUE(Contains(page, "\n\\&...and so on\n"));
  EXPECT_TRUE(Contains(page, "(default 2KiB, 1KiB to 1MiB)"));
}

TEST(ManPage, NeverShowsASecret) {
  const std::string page = CommandManPage(OddCommands().odd(), "1.2.3");
  EXPECT_TRUE(Contains(page, "TANDEM_KEY"));
  EXPECT_FALSE(Contains(page, "hunter2"));
}

TEST(ManPage, IsOnlyThereForACommandWithSettings) {
  EXPECT_THROW(CommandManPage({.name = "bare"}, "1.2.3"), InternalError);
}

TEST(RoffText, ShowsEveryCharacterAsItIs) {
  EXPECT_EQ(RoffText("plain (text), 1.5"), "plain (text), 1.5");
  EXPECT_EQ(RoffText("--no-x"), "\\-\\-no\\-x");
  EXPECT_EQ(RoffText("a\\nb"), "a\\enb");
  EXPECT_EQ(RoffText(".so x"), "\\&.so x");
  EXPECT_EQ(RoffText("'s"), "\\&\\(aqs");
  EXPECT_EQ(RoffText("a.b 'c' \"d\" `e` ^~"), "a.b \\(aqc\\(aq \\(dqd\\(dq \\(gae\\(ga \\(ha\\(ti");
}

}  // namespace
}  // namespace tandem
