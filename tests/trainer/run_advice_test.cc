#include "trainer/run_advice.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

RunFacts SoundFacts() {
  return {.num_parameters = 26'000'000,
          .model_vocabulary = 6400,
          .tokenizer_vocabulary = 6400,
          .rate = 5e-4,
          .num_steps = 10'000,
          .warmup_steps = 100,
          .epochs = 2.0,
          .epoch_tokens = 300'000'000,
          .num_held_out = 500};
}

// That there is this advice, and no other.
void ExpectOnly(const RunFacts& facts, const std::string& part) {
  const std::vector<std::string> advice = FindAdvice(facts);
  ASSERT_EQ(advice.size(), 1u) << part;
  EXPECT_NE(advice[0].find(part), std::string::npos) << advice[0];
}

TEST(RunAdvice, IsSilentAboutASoundRun) {
  EXPECT_TRUE(FindAdvice(SoundFacts()).empty());
  RunFacts padded = SoundFacts();
  padded.model_vocabulary = 6464;
  EXPECT_TRUE(FindAdvice(padded).empty());
  RunFacts tuned = SoundFacts();  // fine-tuning repeats, on much more than it holds
  tuned.is_new = false;
  tuned.warmup_steps = 0;
  tuned.epochs = 6.0;
  EXPECT_TRUE(FindAdvice(tuned).empty());
}

TEST(RunAdvice, NamesARateThatIsHighForTheSize) {
  RunFacts facts = SoundFacts();
  facts.rate = 0.01;
  ExpectOnly(facts, "--learning-rate 0.01 is high for 26,000,000 parameters, where 8.6e-04 is");
  facts.rate = 0.002;
  EXPECT_TRUE(FindAdvice(facts).empty());
  EXPECT_LT(UsualRate(1'000'000'000), UsualRate(100'000'000));
  EXPECT_EQ(UsualRate(int64_t{1} << 50), 1e-4);
}

TEST(RunAdvice, WantsAWarmUpForANewModelAtAHighRate) {
  RunFacts facts = SoundFacts();
  facts.rate = 0.002;
  facts.warmup_steps = 0;
  ExpectOnly(facts, "give a --warmup-share, such as 0.01");
  facts.is_new = false;
  EXPECT_TRUE(FindAdvice(facts).empty());
}

TEST(RunAdvice, NamesDataThatIsLearnedByHeart) {
  RunFacts facts = SoundFacts();
  facts.epochs = 20.0;
  facts.epoch_tokens = 1'000'000;
  ExpectOnly(facts, "20 epochs over 1,000,000 tokens");
}

TEST(RunAdvice, NamesAVocabularyThatNoTokenUses) {
  RunFacts facts = SoundFacts();
  facts.model_vocabulary = 32'000;
  ExpectOnly(facts, "25,600 of its rows are never learned");
}

TEST(RunAdvice, CountsHeldOutDocumentsThatAreTrainedOn) {
  RunFacts facts = SoundFacts();
  facts.num_shared = 20;
  ExpectOnly(facts, "20 of 500 held-out documents are trained on too");
}

}  // namespace
}  // namespace tandem
