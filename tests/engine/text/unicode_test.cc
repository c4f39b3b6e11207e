#include "engine/text/unicode.h"

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <cstdlib>
#include <random>
#include <string>

namespace tandem {
namespace {

// The examples of the Unicode standard 15, section 3.9, tables 3-8 to 3-11.
TEST(ReplaceInvalidUtf8, ReplacesEachMaximalPartOnce) {
  const std::string r(kReplacementCharacter);
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(ReplaceInvalidUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), r + r + r + r + "A");
}

TEST(ReplaceInvalidUtf8, KeepsWhatIsValid) {
  const std::string text("a\0\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x99\x82\xF4\x8F\xBF\xBF", 15);
  EXPECT_TRUE(IsValidUtf8(text));
  EXPECT_EQ(ReplaceInvalidUtf8(text), text);
  EXPECT_EQ(ReplaceInvalidUtf8(""), "");
}

TEST(ReplaceInvalidUtf8, ReplacesAnUnfinishedCharacterAtTheEnd) {
  EXPECT_EQ(ReplaceInvalidUtf8("x\xF0\x9F\x99"), "x\uFFFD");
}

TEST(AppendWholeCharacters, LeavesAnUnfinishedCharacter) {
  std::string out;
  EXPECT_EQ(AppendWholeCharacters("ab\xE4\xB8", &out), 2u);
  EXPECT_EQ(out, "ab");
}

TEST(IsValidUtf8, AgreesWithReplacementOnRandomBytes) {
  std::mt19937_64 random(1);
  const std::string_view alphabet(
      "\x41\x7F\x80\x8F\x90\x9F\xA0\xBF\xC1\xC3\xE0\xE4\xED\xF0\xF4\xF5");
  int num_valid = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes;
    const size_t size = random() % 6;
    for (size_t j = 0; j < size; ++j) bytes += alphabet[random() % alphabet.size()];
    const std::string replaced = ReplaceInvalidUtf8(bytes);
    EXPECT_TRUE(IsValidUtf8(replaced));
    EXPECT_EQ(IsValidUtf8(bytes), replaced == bytes);
    num_valid += IsValidUtf8(bytes);
  }
  EXPECT_GT(num_valid, 100);
}

TEST(NextCharacter, IsTheInverseOfAppendUtf8) {
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 97) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    AppendUtf8(c, &text);
    size_t position = 0;
    ASSERT_EQ(NextCharacter(text, &position), c);
    ASSERT_EQ(position, text.size());
  }
}

TEST(Normalize, ComposesAndOrdersMarks) {
  EXPECT_EQ(Normalize("cafe\u0301", NormalForm::kNfc), "caf\u00e9");
  EXPECT_EQ(Normalize("\u212b", NormalForm::kNfc), "\u00c5");
  EXPECT_EQ(Normalize("q\u0307\u0323", NormalForm::kNfc), "q\u0323\u0307");
  EXPECT_EQ(Normalize("\u1100\u1161\u11a8", NormalForm::kNfc), "\uac01");
  EXPECT_EQ(Normalize("\uac01", NormalForm::kNfd), "\u1100\u1161\u11a8");
  EXPECT_EQ(Normalize("\ufb01", NormalForm::kNfc), "\ufb01");
  EXPECT_EQ(Normalize("\ufb01\u2460", NormalForm::kNfkc), "fi1");
  EXPECT_EQ(Normalize(std::string("a\0\u00e9", 4), NormalForm::kNfc), std::string("a\0\u00e9", 4));
}

std::string NormalizeByLibrary(const std::string& text) {
  utf8proc_uint8_t* result = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &result,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  std::string out(reinterpret_cast<const char*>(result), static_cast<size_t>(size));
  std::free(result);
  return out;
}

TEST(Normalize, AgreesWithTheLibraryOnRandomText) {
  std::mt19937_64 random(2);
  const char32_t bases[] = {0x0,    0xC0,   0x300,  0x300,  0x316,  0x1100,
                            0x1161, 0x11A8, 0xAC00, 0x1E00, 0x3040, 0x900};
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (size_t j = random() % 12; j > 0; --j) {
      AppendUtf8(bases[random() % std::size(bases)] + static_cast<char32_t>(random() % 24), &text);
    }
    ASSERT_EQ(Normalize(text, NormalForm::kNfc), NormalizeByLibrary(text)) << text;
  }
}

// Quadratic work, as in the library, would run into ctest's limit.
TEST(Normalize, OrdersALongRunOfMarksInTime) {
  std::string text = "a";
  for (int i = 0; i < 2'000'000; ++i) text += i % 2 == 0 ? "\u0323" : "\u0301";
  EXPECT_FALSE(Normalize(text, NormalForm::kNfc).empty());
}

// NFC leaves most characters alone without a look at their neighbours; the text behind makes it
// look.
TEST(Normalize, AgreesWithItsShortcut) {
  const std::string marked = " q\u0307\u0323";
  for (char32_t c = 0; c < 0x20000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    AppendUtf8(c, &text);
    text += text;
    ASSERT_EQ(Normalize(text, NormalForm::kNfc) + " q\u0323\u0307",
              Normalize(text + marked, NormalForm::kNfc))
        << static_cast<uint32_t>(c);
  }
}

// U+0C3C became a mark in Unicode 14, U+11938 is composed since 13, U+32FF is of 12.1.
TEST(Normalize, LeavesLaterCharactersAlone) {
  EXPECT_EQ(Normalize("\u4E2D\u05BB\u0C3C", NormalForm::kNfc), "\u4E2D\u05BB\u0C3C");
  EXPECT_EQ(Normalize("\U00011935\U00011930", NormalForm::kNfc), "\U00011935\U00011930");
  EXPECT_EQ(Normalize("\U00011938", NormalForm::kNfd), "\U00011938");
  EXPECT_EQ(Normalize("\u32FF\uFB01", NormalForm::kNfkc),
            "\u32FF"
            "fi");
  EXPECT_EQ(Normalize("e\u0C3C\u0301 e\u0301", NormalForm::kNfc), "e\u0C3C\u0301 \u00E9");
}

}  // namespace
}  // namespace tandem
