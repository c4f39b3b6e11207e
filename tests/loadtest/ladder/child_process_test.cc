// Children of a shell's making: how they start, how they end, and that none is left.

#include "loadtest/ladder/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

const std::filesystem::path kShell = "/bin/sh";

// To the end of the child's output, or to `last`.
std::string ReadAll(const ChildProcess& child, char last = '\0') {
  std::string text;
  char c = 0;
  while (::read(child.output(), &c, 1) == 1) {
    text += c;
    if (c == last) break;
  }
  return text;
}

TEST(ChildProcess, GivesItsOutputAndHowItEnded) {
  ChildProcess child(kShell, {"-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(ReadAll(child), "out\nerr\n");
  EXPECT_EQ(child.WaitForEnd(std::chrono::seconds(60)), "with status 3");
}

TEST(ChildProcess, IsToldToEnd) {
  ChildProcess child(kShell, {"-c", "trap 'exit 7' TERM; echo set; while :; do sleep 0.01; done"});
  EXPECT_EQ(ReadAll(child, '\n'), "set\n");
  EXPECT_EQ(child.Stop(), "with status 7");
  EXPECT_EQ(child.Stop(), "with status 7") << "again changes nothing";
}

TEST(ChildProcess, IsKilledWhenItDoesNotEndInTime) {
  ChildProcess child(kShell, {"-c", "trap '' TERM; echo set; while :; do sleep 0.01; done"});
  EXPECT_EQ(ReadAll(child, '\n'), "set\n");
  EXPECT_TRUE(child.WaitForEnd(std::chrono::milliseconds(1)).starts_with("by signal 9"));
}

TEST(ChildProcess, EndsWithTheObject) {
  pid_t pid = 0;
  {
    const ChildProcess child(kShell, {"-c", "echo $$; exec sleep 1000"});
    pid = std::stoi(ReadAll(child, '\n'));
    EXPECT_EQ(::kill(pid, 0), 0);
    EXPECT_EQ(::getpgid(pid), pid) << "a Ctrl-C must not reach it before us";
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(ChildProcess, HasOurVariablesButForTandems) {
  ::setenv("TANDEM_DTYPE", "float16", 1);
  ::setenv("LADDER_TEST", "yes", 1);
  const ChildProcess child(kShell, {"-c", "echo ${TANDEM_DTYPE-none} ${LADDER_TEST-none}"});
  ::unsetenv("TANDEM_DTYPE");
  ::unsetenv("LADDER_TEST");
  EXPECT_EQ(ReadAll(child), "none yes\n");
}

TEST(ChildProcess, NamesAProgramThatCannotBeRun) {
  EXPECT_TRUE(Contains(MessageOf<ConfigError>([] { ChildProcess("/no/such/program", {}); }),
                       "\"/no/such/program\" cannot be run: No such file"));
  EXPECT_TRUE(Contains(MessageOf<ConfigError>([] { ChildProcess("/etc/passwd", {}); }),
                       "Permission denied"));
}

}  // namespace
}  // namespace tandem
