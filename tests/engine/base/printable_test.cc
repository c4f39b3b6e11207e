#include "engine/base/printable.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(Printable, LeavesPlainTextAndOtherScriptsAlone) {
  EXPECT_EQ(Printable("plain text"), "plain text");
  EXPECT_EQ(Printable("为什么天空是蓝色的"), "为什么天空是蓝色的");
  EXPECT_EQ(Quoted("a b"), "\"a b\"");
}

TEST(Printable, EscapesWhatBreaksALineOrDrivesATerminal) {
  EXPECT_EQ(Printable("a\nb\r\tc"), "a\\nb\\r\\tc");
  EXPECT_EQ(Printable("\x1b[31m"), "\\x1b[31m");
  EXPECT_EQ(Printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(Printable("\xc2\x9b"), "\\u009b");      // C1 control: CSI
  EXPECT_EQ(Printable("\xe2\x80\xa8"), "\\u2028");  // line separator
  EXPECT_EQ(Printable("\xe2\x80\xae"), "\\u202e");  // right-to-left override
  EXPECT_EQ(Printable("a\\n"), "a\\\\n");
  EXPECT_EQ(Quoted("say \"hi\""), "\"say \\\"hi\\\"\"");
}

TEST(Printable, EscapesInvalidUtf8ByteByByte) {
  EXPECT_EQ(Printable("\xff"), "\\xff");
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf");                    // overlong '/'
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(Printable("\xe4\xb8"), "\\xe4\\xb8");                    // cut short
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
}

TEST(Printable, CutsLongTextBetweenCodePoints) {
  EXPECT_EQ(Printable("abcdef", 3), "abc...");
  EXPECT_EQ(Printable("蓝色", 4), "蓝...");
  EXPECT_EQ(Printable("abc", 3), "abc");
}

}  // namespace
}  // namespace tandem
