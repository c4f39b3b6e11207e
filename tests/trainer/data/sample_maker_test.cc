#include "trainer/data/sample_maker.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/trainer/data/golden_masks.h"
#include "trainer/data/hash64.h"

namespace tandem {
namespace {

const std::filesystem::path kGolden = TANDEM_SOURCE_DIR "/tests/golden/text";
const std::filesystem::path kPublished = TANDEM_SOURCE_DIR "/../shared/data/tokenizers";

using Ids = std::vector<TokenId>;

MadeSamples MakeAll(const SampleMaker& maker, std::string_view text, int64_t line = 1) {
  auto made = maker.Make({.text = text, .line = line});
  if (auto* bad = std::get_if<BadRecord>(&made)) {
    ADD_FAILURE() << bad->reason;
    return {};
  }
  return std::get<MadeSamples>(std::move(made));
}

std::string ProblemOf(const SampleMaker& maker, std::string_view text) {
  const auto made = maker.Make({.text = text});
  return std::holds_alternative<BadRecord>(made) ? std::get<BadRecord>(made).reason : "";
}

void ExpectGolden(const GoldenMasks& golden, const Tokenizer& tokenizer, ChatTemplate source) {
  const ConversationRenderer renderer(std::move(source));
  const SampleMaker maker(tokenizer, &renderer, DataFormat::kConversations, {.max_tokens = 4096});
  for (const GoldenMask& expected : golden.masks) {
    SCOPED_TRACE(golden.name + ": " + expected.line);
    const MadeSamples made = MakeAll(maker, expected.line);
    ASSERT_EQ(made.samples.size(), 1u);
    EXPECT_EQ(made.samples[0].ids, expected.ids);
    EXPECT_EQ(made.samples[0].is_target, expected.learned);
  }
}

TEST(SampleMakerGolden, LearnsWhatMiniMindLearns) {
  const auto tokenizer = LoadTokenizer(kGolden / "byte_level");
  const std::vector<GoldenMasks> all = ReadGoldenMasks("loss_masks.json");
  ASSERT_EQ(all.size(), 3u);
  for (const GoldenMasks& golden : all) {
    ExpectGolden(golden, *tokenizer, ChatTemplate(golden.chat_template, golden.name));
  }
}

TEST(SampleMakerGolden, LearnsWhatMiniMindLearnsWithItsOwnTokenizersAndTemplates) {
  if (!std::filesystem::exists(kPublished / "minimind")) {
    GTEST_SKIP() << kPublished / "minimind"
                 << " is not there";
  }
  for (const GoldenMasks& golden : ReadGoldenMasks("loss_masks_published.json")) {
    const std::filesystem::path directory = kPublished / golden.name;
    ExpectGolden(golden, *LoadTokenizer(directory), ChatTemplate::FromDirectory(directory).value());
  }
}

class TextSamples : public testing::Test {
 protected:
  SampleMaker Maker(SampleOptions options, DataFormat format = DataFormat::kTextRecords) const {
    return SampleMaker(*tokenizer_, nullptr, format, options);
  }
  Ids Encoded(std::string_view text) const {
    return tokenizer_->Encode(text, SpecialTokens::kNone);
  }
  const std::unique_ptr<const Tokenizer> tokenizer_ = LoadTokenizer(kGolden / "byte_level");
};

TEST_F(TextSamples, StandBetweenBosAndEos) {
  const MadeSamples made = MakeAll(Maker({}), R"({"text": "Hello there"})");
  ASSERT_EQ(made.samples.size(), 1u);
  Ids expected = Encoded("Hello there");
  expected.insert(expected.begin(), 1);
  expected.push_back(2);
  EXPECT_EQ(made.samples[0].ids, expected);
  EXPECT_EQ(made.samples[0].NumTargets(), std::ssize(expected) - 1);
  EXPECT_EQ(made.content_hash, Hash64Of("Hello there"));
}

TEST_F(TextSamples, MayBeTheTextAloneWithoutLearningPadding) {
  const MadeSamples made =
      MakeAll(Maker({.form = SampleForm::kText}), R"({"text": "a<|endoftext|>b"})");
  Ids expected = Encoded("a<|endoftext|>b");
  ASSERT_EQ(expected.size(), 3u);
  EXPECT_EQ(made.samples[0].ids, expected);
  EXPECT_EQ(made.samples[0].is_target, (std::vector<uint8_t>{1, 0, 1}));
  EXPECT_EQ(made.samples[0].NumTargets(), 1);
  EXPECT_EQ(ProblemOf(Maker({.form = SampleForm::kText}), R"({"text": "a"})"),
            "has no token to learn behind its first one");
}

TEST_F(TextSamples, AreRefusedOrCutOrSplitWhenTooLong) {
  const std::string line = R"({"text": "The rain went on and on over the roofs of the town."})";
  Ids whole = MakeAll(Maker({.max_tokens = 4096}), line).samples[0].ids;
  ASSERT_GT(whole.size(), 9u);
  EXPECT_EQ(
      ProblemOf(Maker({.max_tokens = 8}), line),
      "has " + std::to_string(whole.size()) + " tokens; the limit is 8 (it may be cut or split)");

  const MadeSamples cut = MakeAll(Maker({.max_tokens = 8, .too_long = TooLong::kCut}), line);
  Ids expected(whole.begin(), whole.begin() + 7);
  expected.push_back(2);  // max_tokens - 2 of the text, as MiniMind cuts
  EXPECT_EQ(cut.samples[0].ids, expected);
  EXPECT_EQ(cut.num_cut_tokens, std::ssize(whole) - 8);
  const MadeSamples cut_text =
      MakeAll(Maker({.form = SampleForm::kText, .max_tokens = 8, .too_long = TooLong::kCut}), line);
  EXPECT_EQ(cut_text.samples[0].ids, Ids(whole.begin() + 1, whole.begin() + 9));

  const MadeSamples split = MakeAll(Maker({.max_tokens = 8, .too_long = TooLong::kSplit}), line);
  Ids joined = {whole.front()};
  for (const TrainSample& piece : split.samples) {
    EXPECT_LE(piece.ids.size(), 8u);
    EXPECT_EQ(piece.ids.front(), joined.back());  // every other token is learned exactly once
    joined.insert(joined.end(), piece.ids.begin() + 1, piece.ids.end());
  }
  EXPECT_EQ(joined, whole);
  EXPECT_EQ(split.num_cut_tokens, 0);
}

TEST_F(TextSamples, OfPlainTextAreSplitByDefault) {
  const SampleMaker maker = Maker({.max_tokens = 8}, DataFormat::kPlainText);
  EXPECT_GT(MakeAll(maker, "The rain went on and on over the roofs of the town.").samples.size(),
            1u);
  EXPECT_EQ(ProblemOf(maker, " \n "), "the text has only blanks");
  EXPECT_EQ(ProblemOf(maker, "a\xc3"), "is not UTF-8 at byte 2: \"\\xc3\"");
  EXPECT_EQ(ProblemOf(maker, "a\nbc\nd\xff"), "is not UTF-8 at byte 7, in its line 3: \"\\xff\"");
}

TEST_F(TextSamples, NeedTheTokensThatTheyBeginAndEndWith) {
  const auto tokenizer = LoadTokenizer(kGolden / "qwen2_files");
  ASSERT_FALSE(tokenizer->bos_id());
  EXPECT_TRUE(Contains(MessageOf<ConfigError>(
                           [&] { SampleMaker(*tokenizer, nullptr, DataFormat::kTextRecords, {}); }),
                       "has no bos token: use the sample form of the text alone"));
}

TEST_F(TextSamples, RefuseOptionsThatContradictEachOther) {
  EXPECT_TRUE(Contains(MessageOf<ConfigError>([&] { Maker({.max_tokens = 2}); }), "at least 3"));
  EXPECT_TRUE(Contains(MessageOf<ConfigError>([&] { Maker({}, DataFormat::kConversations); }),
                       "need a chat template"));
  const ConversationRenderer renderer(ChatTemplate(BuiltInChatMl(), "chatml"));
  EXPECT_TRUE(Contains(MessageOf<ConfigError>([&] {
                         SampleMaker(*tokenizer_, &renderer, DataFormat::kConversations,
                                     {.too_long = TooLong::kSplit});
                       }),
                       "cannot be split"));
}

class ConversationSamples : public TextSamples {
 protected:
  SampleMaker Maker(SampleOptions options) const {
    return SampleMaker(*tokenizer_, &renderer_, DataFormat::kConversations, options);
  }
  const ConversationRenderer renderer_{ChatTemplate(BuiltInChatMl(), "chatml")};
  const std::string line_ =
      R"({"conversations": [{"role": "user", "content": "Hello"}, {"role": "assistant",
      "content": "Hello! The kettle sang on the stove while the rain went on."}]})";
};

TEST_F(ConversationSamples, AreCutOnlyWhenAsked) {
  const TrainSample whole = MakeAll(Maker({}), line_).samples[0];
  const int64_t half = std::ssize(whole.ids) - 5;
  EXPECT_TRUE(Contains(ProblemOf(Maker({.max_tokens = half}), line_), "it may be cut)"));
  const MadeSamples cut = MakeAll(Maker({.max_tokens = half, .too_long = TooLong::kCut}), line_);
  EXPECT_EQ(cut.samples[0].ids, Ids(whole.ids.begin(), whole.ids.begin() + half));
  EXPECT_EQ(std::ssize(cut.samples[0].is_target), half);
  EXPECT_EQ(cut.num_cut_tokens, 5);
  EXPECT_EQ(ProblemOf(Maker({.max_tokens = 4, .too_long = TooLong::kCut}), line_),
            "nothing to learn is left in its first 4 tokens");
}

TEST_F(ConversationSamples, AreTheSameDocumentHoweverTheyAreWritten) {
  const std::string other =
      R"({"id": 7, "conversations": [{"content": "Hello", "role": "user", "tools": null},
      {"role": "assistant", "content":
       "Hello! The kettle sang on the stove while the rain w\u0065nt on."}]})";
  EXPECT_EQ(MakeAll(Maker({}), line_).content_hash, MakeAll(Maker({}), other).content_hash);
  const MiniMindPreprocessing always{.system_prompt_probability = 1.0};
  const MadeSamples prompted = MakeAll(Maker({.preprocessing = always}), line_);
  EXPECT_EQ(prompted.content_hash, MakeAll(Maker({}), line_).content_hash);
  EXPECT_GT(prompted.samples[0].ids.size(), MakeAll(Maker({}), line_).samples[0].ids.size());
}

TEST_F(ConversationSamples, MayBeOneForEachAnswer) {
  const std::string line =
      R"({"conversations": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"},
      {"role": "user", "content": "3"}, {"role": "assistant", "content": "4"}]})";
  const ConversationRenderer one_each(ChatTemplate(BuiltInChatMl(), "chatml"),
                                      {.answers = AnswersPerSample::kOne});
  const SampleMaker maker(*tokenizer_, &one_each, DataFormat::kConversations, {});
  const TrainSample whole = MakeAll(Maker({}), line).samples.at(0);
  const MadeSamples made = MakeAll(maker, line);
  ASSERT_EQ(made.samples.size(), 2u);
  EXPECT_EQ(made.samples[1].ids, whole.ids);  // this template writes history as it was
  EXPECT_EQ(made.samples[0].NumTargets() + made.samples[1].NumTargets(), whole.NumTargets());
  EXPECT_EQ(made.content_hash, MakeAll(Maker({}), line).content_hash);
}

// They write a space before every text: pieces would get one each.
class SpacedTokenizers : public testing::TestWithParam<const char*> {};

TEST_P(SpacedTokenizers, GetTheWholeConversation) {
  const auto tokenizer = LoadTokenizer(kGolden / GetParam());
  const ConversationRenderer renderer(
      ChatTemplate("{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
                   "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}",
                   "plain"));
  const SampleMaker maker(*tokenizer, &renderer, DataFormat::kConversations, {});
  const TrainSample sample =
      MakeAll(maker, R"({"conversations": [{"role": "user", "content": "the tea"},
      {"role": "assistant", "content": "is ready"}, {"role": "user", "content": "on"}]})")
          .samples.at(0);
  EXPECT_EQ(sample.ids, tokenizer->Encode("user: the tea\nassistant: is ready\nuser: on\n",
                                          SpecialTokens::kNone));
  std::string learned;
  for (size_t i = 0; i < sample.ids.size(); ++i) {
    if (sample.is_target[i]) learned += tokenizer->TokenBytes(sample.ids[i]);
  }
  // The space before it may belong to its first token.
  EXPECT_TRUE(learned == "is ready\n" || learned == " is ready\n") << learned;
}

INSTANTIATE_TEST_SUITE_P(Golden, SpacedTokenizers,
                         testing::Values("prefix_space", "character_level", "spm_bpe",
                                         "spm_unigram"),
                         [](const auto& suite) { return std::string(suite.param); });

TEST(ConversationsOfSentencePiece, AreRefusedWhereItsNormaliserChangesThem) {
  const auto tokenizer = LoadTokenizer(kGolden / "spm_unigram");
  const ConversationRenderer renderer(ChatTemplate(BuiltInChatMl(), "chatml"));
  const SampleMaker maker(*tokenizer, &renderer, DataFormat::kConversations, {});
  EXPECT_TRUE(Contains(ProblemOf(maker, R"({"conversations": [{"role": "user", "content": "\u2460"},
                                 {"role": "assistant", "content": "  a  b  "}]})"),
                       "where the answers lie cannot be told"));
}

}  // namespace
}  // namespace tandem
