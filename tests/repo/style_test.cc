// The house rules that a machine can check.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/repo/source_tree.h"

namespace tandem {
namespace {

constexpr size_t kMaxLines = 800;

std::vector<SourceFile> AllSources() {
  std::vector<std::string> folders = ProgramFolders();
  folders.push_back("tests");
  return ReadSources(folders);
}

using Check = std::vector<std::string> (*)(const SourceFile&);

std::vector<std::string> FindingsIn(const std::vector<SourceFile>& files, Check check) {
  std::vector<std::string> findings;
  for (const SourceFile& file : files) {
    for (const std::string& finding : check(file)) findings.push_back(finding);
  }
  return findings;
}

std::vector<std::string> TooLong(const SourceFile& file) {
  const size_t num_lines = SplitLines(file.text).size();
  if (num_lines <= kMaxLines) return {};
  return {Finding(file.path, kMaxLines,
                  std::to_string(num_lines) + " lines; the limit is " + std::to_string(kMaxLines) +
                      ": what second idea moved in?")};
}

// A marker is fine with the number of its issue: TODO(#12).
std::vector<std::string> OpenMarkers(const SourceFile& file) {
  static const std::vector<std::string> markers = {
      "TO"
      "DO",
      "FIX"
      "ME",
      "X"
      "XX"};
  std::vector<std::string> findings;
  const std::vector<std::string> lines = SplitLines(file.text);
  for (size_t i = 0; i < lines.size(); ++i) {
    for (const std::string& marker : markers) {
      if (HasWord(lines[i], marker) && lines[i].find(marker + "(#") == std::string::npos) {
        findings.push_back(Finding(file.path, i, marker + " without the number of an issue"));
      }
    }
  }
  return findings;
}

std::vector<std::string> HeaderForm(const SourceFile& file) {
  if (!file.IsHeader()) return {};
  std::vector<std::string> findings;
  if (!file.text.starts_with("#pragma once\n")) {
    findings.push_back(Finding(file.path, 0, "a header begins with #pragma once"));
  }
  const std::vector<std::string> lines = SplitLines(CodeOnly(file.text));
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].find("using namespace") != std::string::npos) {
      findings.push_back(Finding(file.path, i, "using namespace in a header"));
    }
  }
  return findings;
}

// Settings come from one table; the terminal asks the two variables that every terminal program
// asks.
std::vector<std::string> Environment(const SourceFile& file) {
  if (file.path == "engine/base/settings.cc" || file.path == "engine/base/terminal.cc") return {};
  std::vector<std::string> findings;
  const std::vector<std::string> lines = SplitLines(CodeOnly(file.text));
  for (size_t i = 0; i < lines.size(); ++i) {
    if (HasWord(lines[i], "getenv") || HasWord(lines[i], "secure_getenv")) {
      findings.push_back(Finding(file.path, i, "getenv outside engine/base/settings.cc"));
    }
  }
  return findings;
}

// std::regex recurses on its input and overflows the stack on long ones.
std::vector<std::string> StandardRegex(const SourceFile& file) {
  std::vector<std::string> findings;
  const std::vector<std::string> lines = SplitLines(CodeOnly(file.text));
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].find("std::regex") != std::string::npos ||
        lines[i].find("#include <regex>") != std::string::npos) {
      findings.push_back(Finding(file.path, i, "std::regex; use PCRE2 or a hand-written scan"));
    }
  }
  return findings;
}

// Calls of the process-ending functions; a member of that name (app.exit()) is another thing.
bool CallsProcessEnd(std::string_view line) {
  for (const std::string_view name :
       {"exit", "_exit", "_Exit", "quick_exit", "abort", "terminate"}) {
    for (size_t at = line.find(name); at != line.npos; at = line.find(name, at + 1)) {
      const char before = at == 0 ? ' ' : line[at - 1];
      const size_t next = line.find_first_not_of(' ', at + name.size());
      const bool is_call = next != line.npos && line[next] == '(';
      const bool is_member = before == '.' || before == '>';
      if (is_call && !is_member && !IsWordCharacter(before)) return true;
    }
  }
  return false;
}

std::vector<std::string> ProcessEnd(const SourceFile& file) {
  if (file.path.ends_with("/main.cc")) return {};
  // Nothing else is left to a forked child that could not become its program.
  if (file.path == "loadtest/ladder/child_process.cc") return {};
  std::vector<std::string> findings;
  const std::vector<std::string> lines = SplitLines(CodeOnly(file.text));
  for (size_t i = 0; i < lines.size(); ++i) {
    if (CallsProcessEnd(lines[i])) {
      findings.push_back(
          Finding(file.path, i, "nothing below main ends the process: throw instead"));
    }
  }
  return findings;
}

void ExpectClean(const std::vector<SourceFile>& files, Check check) {
  ASSERT_FALSE(files.empty());
  const std::vector<std::string> findings = FindingsIn(files, check);
  EXPECT_TRUE(findings.empty()) << Joined(findings);
}

TEST(Style, FilesStayShort) { ExpectClean(AllSources(), TooLong); }
TEST(Style, MarkersNameTheirIssue) { ExpectClean(AllSources(), OpenMarkers); }
TEST(Style, HeadersArePragmaOnceAndOpenNoNamespace) { ExpectClean(AllSources(), HeaderForm); }
TEST(Style, OnlySettingsReadTheEnvironment) {
  ExpectClean(ReadSources(ProgramFolders()), Environment);
}
TEST(Style, NoStandardRegex) { ExpectClean(ReadSources(ProgramFolders()), StandardRegex); }
TEST(Style, NothingBelowMainEndsTheProcess) {
  ExpectClean(ReadSources(ProgramFolders()), ProcessEnd);
}

size_t NumFindings(Check check, const std::string& path, const std::string& text) {
  return check({.path = path, .text = text}).size();
}

TEST(Style, RulesFindWhatTheyForbid) {
  EXPECT_EQ(NumFindings(TooLong, "a.cc", std::string(kMaxLines, '\n')), 0u);
  EXPECT_EQ(NumFindings(TooLong, "a.cc", std::string(kMaxLines + 1, '\n')), 1u);
  EXPECT_EQ(NumFindings(OpenMarkers, "a.cc", std::string("// TO") + "DO: later\n"), 1u);
  EXPECT_EQ(NumFindings(OpenMarkers, "a.cc", std::string("// TO") + "DO(#12): later\n"), 0u);
  EXPECT_EQ(NumFindings(HeaderForm, "a.h", "// What.\n#pragma once\n"), 1u);
  EXPECT_EQ(NumFindings(HeaderForm, "a.h", "#pragma once\nusing namespace std;\n"), 1u);
  EXPECT_EQ(NumFindings(HeaderForm, "a.h", "#pragma once\n// no using namespace here\n"), 0u);
  EXPECT_EQ(NumFindings(HeaderForm, "a.cc", "using namespace std::literals;\n"), 0u);
  EXPECT_EQ(NumFindings(Environment, "api/a.cc", "std::getenv(name);\n"), 1u);
  EXPECT_EQ(NumFindings(Environment, "engine/base/settings.cc", "std::getenv(name);\n"), 0u);
  EXPECT_EQ(NumFindings(StandardRegex, "api/a.cc", "#include <regex>\nstd::regex r;\n"), 2u);
  EXPECT_EQ(NumFindings(ProcessEnd, "api/a.cc", "  std::exit(1);\n  abort ();\n"), 2u);
  EXPECT_EQ(NumFindings(ProcessEnd, "api/main.cc", "exit(1);\n"), 0u);
  EXPECT_EQ(NumFindings(ProcessEnd, "api/a.cc", "app.exit(e); on_exit(f); // exit(1)\n"), 0u);
}

TEST(Style, CommentsAndLiteralsAreNotCode) {
  EXPECT_EQ(CodeOnly("a \"x\\\"y\" b"), "a        b");
  EXPECT_EQ(CodeOnly("a // b\nc /* d\n e */ f"), "a     \nc     \n      f");
  EXPECT_EQ(CodeOnly("1'000 + 'x' + R\"-(a)\")-\" z"), "1'000 +     +            z");
  EXPECT_EQ(CodeOnly("\"open"), "     ");
  EXPECT_TRUE(HasWord("a b_c", "a"));
  EXPECT_FALSE(HasWord("a b_c", "b"));
}

}  // namespace
}  // namespace tandem
