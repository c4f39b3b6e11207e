#include "engine/base/log.h"

#include <gtest/gtest.h>

#include <cctype>
#include <sstream>
#include <thread>
#include <vector>

namespace tandem {
namespace {

// The line without its time stamp.
std::string Logged(std::string_view event, Logger::Fields fields) {
  std::ostringstream out;
  Logger log(LogLevel::kDebug, out);
  log.Info(event, fields);
  const std::string line = out.str();
  return line.substr(line.find(' ') + 1);
}

// `text` starts as `shape` does; in its time stamp each 'd' stands for a digit.
bool HasShape(std::string_view text, std::string_view shape) {
  const size_t time_end = shape.find('Z');
  if (text.size() < shape.size()) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool is_digit = std::isdigit(static_cast<unsigned char>(text[i])) != 0;
    if (i < time_end && shape[i] == 'd' ? !is_digit : text[i] != shape[i]) return false;
  }
  return true;
}

TEST(Logger, WritesOneEventPerLineWithTimeAndLevel) {
  std::ostringstream out;
  Logger log(LogLevel::kInfo, out);
  log.Warning("listening", {{"host", "127.0.0.1"}, {"port", 8000}});
  EXPECT_TRUE(HasShape(out.str(), "dddd-dd-ddTdd:dd:dd.dddZ warning listening host=")) << out.str();
  EXPECT_TRUE(out.str().ends_with(" listening host=127.0.0.1 port=8000\n"));
}

TEST(Logger, FormatsEachTypeOfValue) {
  EXPECT_EQ(Logged("e", {{"a", true}, {"b", -5}, {"c", uint64_t{1} << 63}, {"d", 0.25f}}),
            "info e a=true b=-5 c=9223372036854775808 d=0.25\n");
  EXPECT_EQ(Logged("e", {{"s", std::string("text")}, {"v", std::string_view("view")}}),
            "info e s=text v=view\n");
}

TEST(Logger, QuotesValuesThatCouldBeMistaken) {
  EXPECT_EQ(Logged("e", {{"k", "two words"}, {"empty", ""}, {"eq", "a=b"}}),
            "info e k=\"two words\" empty=\"\" eq=\"a=b\"\n");
}

TEST(Logger, KeepsHostileValuesOnOneLine) {
  EXPECT_EQ(Logged("e", {{"k", "x\n2026-01-01T00:00:00.000Z error fake"}}),
            "info e k=\"x\\n2026-01-01T00:00:00.000Z error fake\"\n");
  EXPECT_EQ(Logged("e", {{"k", "\x1b[2J\xff"}}), "info e k=\"\\x1b[2J\\xff\"\n");
  EXPECT_EQ(Logged("e", {{"k", "%n {} {0}"}}), "info e k=\"%n {} {0}\"\n");
  EXPECT_LT(Logged("e", {{"k", std::string(1 << 20, 'x')}}).size(), 2000u);
}

TEST(Logger, DropsWhatIsBelowItsLevel) {
  std::ostringstream out;
  Logger log(LogLevel::kWarning, out);
  log.Info("quiet");
  EXPECT_FALSE(log.Enabled(LogLevel::kInfo));
  EXPECT_EQ(out.str(), "");
  log.SetLevel(LogLevel::kDebug);
  log.Debug("heard");
  EXPECT_NE(out.str().find("debug heard"), std::string::npos);
  log.SetLevel(LogLevel::kOff);
  EXPECT_FALSE(log.Enabled(LogLevel::kError));
}

TEST(Logger, NeverTearsALineBetweenThreads) {
  std::ostringstream out;
  {
    Logger log(LogLevel::kInfo, out);
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&log, thread] {
        for (int i = 0; i < 200; ++i) log.Info("event", {{"thread", thread}, {"i", i}});
      });
    }
  }
  std::istringstream lines(out.str());
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) {
    EXPECT_TRUE(HasShape(line, "dddd-dd-ddTdd:dd:dd.dddZ info event thread=")) << line;
    EXPECT_EQ(line.find("info", line.find("info") + 1), std::string::npos) << line;
    ++count;
  }
  EXPECT_EQ(count, 800);
}

}  // namespace
}  // namespace tandem
