#include "engine/base/terminal.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(Styler, WritesEscapesOnlyWhenOn) {
  EXPECT_EQ(Styler(Styler::Colour::kOff)(Style::kRed, "x"), "x");
  EXPECT_EQ(Styler(Styler::Colour::kOn)(Style::kRed, "x"), "\x1b[31mx\x1b[0m");
  EXPECT_EQ(Styler(Styler::Colour::kOn)(Style::kPlain, "x"), "x");
}

TEST(Wrap, BreaksBetweenWordsAndIndents) {
  EXPECT_EQ(Wrap("one two three", 7, 2), "one two\n  three");
  EXPECT_EQ(Wrap("averylongword b", 5, 0), "averylongword\nb");
  EXPECT_EQ(Wrap("", 5, 0), "");
}

TEST(TerminalColumns, FallsBackWhenThereIsNoTerminal) {
  EXPECT_EQ(TerminalColumns(-1, 80), 80);
  EXPECT_FALSE(IsTerminal(-1));
}

}  // namespace
}  // namespace tandem
