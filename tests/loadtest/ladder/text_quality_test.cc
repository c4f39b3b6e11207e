#include "loadtest/ladder/text_quality.h"

#include <gtest/gtest.h>

#include <numbers>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

TEST(TextQuality, CutsBehindWhiteSpaceAndNeverInACharacter) {
  EXPECT_EQ(TextPieces("one two three", 8, "t"), (std::vector<std::string>{"one two ", "three"}));
  EXPECT_EQ(TextPieces("abcdefgh", 3, "t"), (std::vector<std::string>{"abc", "def", "gh"}));
  const std::string fish = "\xe9\xb1\xbc\xe9\xb1\xbc\xe9\xb1\xbc";  // three of three bytes
  EXPECT_EQ(TextPieces(fish, 8, "t"),
            (std::vector<std::string>{fish.substr(0, 6), fish.substr(6)}));
  std::string joined;
  const std::string text = "a bc\ndef ghi, jkl mnopqrstuvw\n\nx";
  for (const std::string& piece : TextPieces(text, 7, "t")) {
    EXPECT_LE(piece.size(), 7u);
    EXPECT_FALSE(piece.empty());
    joined += piece;
  }
  EXPECT_EQ(joined, text);
}

TEST(TextQuality, RefusesWhatIsNoText) {
  EXPECT_TRUE(Contains(MessageOf<FormatError>([] { TextPieces("", 8, "a.txt"); }), "a.txt"));
  EXPECT_TRUE(Contains(MessageOf<FormatError>([] { TextPieces("ab\xff", 8, "a.txt"); }),
                       "not UTF-8 at byte 2"));
}

// With a start token in front all bytes are scored; without, not those of the first token.
TEST(TextQuality, ScoresTheBytesThatHaveProbabilities) {
  const EchoScore all = ScoreOfEcho(
      R"({"choices":[{"logprobs":{"token_logprobs":[null,-1.5,-0.5],"text_offset":[0,0,2]}}]})",
      "abcd");
  EXPECT_EQ(all.num_bytes, 4);
  EXPECT_EQ(all.num_tokens, 2);
  EXPECT_DOUBLE_EQ(all.bits_per_byte(), 2.0 / std::numbers::ln2 / 4.0);
  EchoScore sum =
      ScoreOfEcho(R"({"choices":[{"logprobs":{"token_logprobs":[null,-3],"text_offset":[0,1]}}]})",
                  "\xc3\xa4xy");
  EXPECT_EQ(sum.num_bytes, 2) << "the offset counts characters";
  sum.Add(all);
  EXPECT_EQ(sum.num_bytes, 6);
  EXPECT_DOUBLE_EQ(sum.nats, 5.0);
  EXPECT_EQ(EchoScore().bits_per_byte(), 0.0);
}

TEST(TextQuality, NamesAnswersWithoutProbabilities) {
  for (const char* answer :
       {R"({})", R"({"choices":[]})", R"({"choices":[{"logprobs":null}]})",
        R"({"choices":[{"logprobs":{"token_logprobs":[null],"text_offset":[0]}}]})"}) {
    EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { ScoreOfEcho(answer, "a"); }), "echo"))
        << answer;
  }
}

}  // namespace
}  // namespace tandem
