#include "trainer/evaluation/text_evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/weights/export.h"
#include "tests/support/expect_throws.h"
#include "tests/support/random_model.h"
#include "tests/trainer/evaluation/golden_evaluation.h"

namespace tandem {
namespace {

constexpr const char* kTemplate =
    "{% for m in messages %}{{ m.role + ', ' + m.content + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant, ' }}{% endif %}";

TextScore Score(const std::filesystem::path& model, const DataSource& source,
                const TextEvaluationOptions& options, const ScorerOptions& scorer_options) {
  const auto tokenizer = LoadTokenizer(model);
  const ConversationRenderer renderer(ChatTemplate(kTemplate, "test"));
  SequenceScorer scorer(model, scorer_options);
  return EvaluateText({.tokenizer = *tokenizer, .renderer = &renderer, .scorer = scorer}, source,
                      options);
}

constexpr ScorerOptions kFp32{.dtype = DType::kF32, .threads = 2};

class GoldenBitsPerByte : public testing::TestWithParam<std::string> {};

TEST_P(GoldenBitsPerByte, AreThoseOfPyTorch) {
  const GoldenEvaluationModel model(GetParam());
  const DataSource plain{.path = GoldenEvaluationFile("texts.txt"), .separator = "***"};
  const DataSource records{.path = GoldenEvaluationFile("texts.jsonl")};
  const auto golden = GoldenEvaluation(GetParam());
  for (const auto& expected : golden.at("texts")) {
    const TextEvaluationOptions options{.context = expected.at("context"),
                                        .stride = expected.at("stride")};
    for (const DataSource& source : {plain, records}) {
      const TextScore score = Score(model.path(), source, options, kFp32);
      EXPECT_EQ(score.num_documents, expected.at("documents"));
      EXPECT_EQ(score.num_windows, expected.at("windows"));
      EXPECT_EQ(score.num_bytes, expected.at("bytes"));
      EXPECT_EQ(score.loss.num_tokens, expected.at("tokens"));
      EXPECT_EQ(score.num_changed, 0);
      const double nats = expected.at("nats"), bits = expected.at("bits_per_byte");
      EXPECT_NEAR(score.loss.nats, nats, 1e-5 * nats);
      EXPECT_NEAR(score.bits_per_byte(), bits, 1e-5 * bits);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenBitsPerByte, testing::Values("llama", "qwen3_moe"),
                         [](const auto& instance) { return instance.param; });

TEST(TextEvaluation, FiguresAreTheSameBitsWhateverAStepHolds) {
  const GoldenEvaluationModel model("llama");
  const DataSource source{.path = GoldenEvaluationFile("texts.txt")};
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kI8}) {
    const TextScore whole = Score(model.path(), source, {}, {.dtype = dtype, .threads = 1});
    const TextScore parts =
        Score(model.path(), source, {}, {.dtype = dtype, .max_step_tokens = 16, .threads = 3});
    EXPECT_EQ(whole.loss.nats, parts.loss.nats) << Name(dtype);
    EXPECT_GT(whole.loss.nats, 0.0);
  }
}

TEST(TextEvaluation, PositionsCountTheTokensBefore) {
  const GoldenEvaluationModel model("llama");
  const TextScore score = Score(model.path(), {.path = GoldenEvaluationFile("texts.txt")},
                                {.context = 100, .stride = 20}, kFp32);
  const int64_t num_tokens = score.loss.num_tokens;
  ASSERT_GT(num_tokens, 100);
  EXPECT_EQ(score.by_position[0].num_tokens, 15);
  EXPECT_EQ(score.by_position[1].num_tokens, 48);
  EXPECT_EQ(score.by_position[2].num_tokens, num_tokens - 63);  // the later windows' tokens too
  double nats = 0;
  for (const TokenLoss& loss : score.by_position) nats += loss.nats;
  EXPECT_NEAR(nats, score.loss.nats, 1e-9 * nats);
  EXPECT_EQ(PositionRangeOf(1), 0u);
  EXPECT_EQ(PositionRangeOf(16), 1u);
  EXPECT_EQ(PositionRangeOf(255), 2u);
  EXPECT_EQ(PositionRangeOf(int64_t{1} << 40), kNumPositionRanges - 1);
}

TEST(TextEvaluation, ConversationsAreScoredOnTheirAnswersAlone) {
  const GoldenEvaluationModel model("llama");
  const auto path = model.directory().Write(
      "chats.jsonl", R"({"conversations": [{"role": "user", "content": "Who sails"}, )"
                     R"({"role": "assistant", "content": "the boat"}]})");
  const auto tokenizer = LoadTokenizer(model.path());
  std::vector<TokenId> ids =
      tokenizer->Encode("user, Who sails\nassistant, ", SpecialTokens::kNone);
  const std::vector<TokenId> answer = tokenizer->Encode("the boat\n", SpecialTokens::kNone);
  const size_t first = ids.size();
  ids.insert(ids.end(), answer.begin(), answer.end());
  SequenceScorer scorer(model.path(), kFp32);
  const std::vector<std::vector<float>> logprobs = scorer.Score(std::span(&ids, 1));
  double nats = 0;
  for (size_t i = first; i < ids.size(); ++i) nats -= static_cast<double>(logprobs[0][i - 1]);
  const TextScore score = Score(model.path(), {.path = path}, {}, kFp32);
  EXPECT_EQ(score.loss.num_tokens, std::ssize(answer));
  EXPECT_EQ(score.num_bytes, 9);
  EXPECT_NEAR(score.loss.nats, nats, 1e-12 * nats);
}

TEST(TextEvaluation, RefusesWhatItCannotScoreAndSaysWhy) {
  const GoldenEvaluationModel model("llama");
  const auto records =
      model.directory().Write("a.jsonl", "{\"text\": \"good\"}\n{\"text\": \"\"}\n");
  const auto empty = model.directory().Write("empty.txt", "\n\n");
  const auto score = [&](const std::filesystem::path& path, const TextEvaluationOptions& options) {
    return Score(model.path(), {.path = path}, options, kFp32);
  };
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { score(records, {}); }), "a.jsonl:2: "));
  const TextScore skipped = score(records, {.on_bad_line = OnBadLine::kSkip});
  EXPECT_EQ(skipped.num_bad, 1);
  EXPECT_EQ(skipped.num_documents, 1);
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { score(empty, {}); }), "the text is empty"));
  EXPECT_TRUE(Contains(MessageOf<ConfigError>([&] { score(records, {.context = 300}); }),
                       "the model's 256"));
  EXPECT_TRUE(
      Contains(MessageOf<ConfigError>([&] { score(records, {.context = 20, .stride = 20}); }),
               "at most 19"));
}

// A directory of a small model with random weights.
void WriteModel(const std::filesystem::path& directory, const ModelConfig& config,
                float final_norm) {
  ThreadPool pool(2);
  Workspace workspace;
  Context context{.pool = pool, .workspace = workspace};
  ModelWeights weights = RandomWeights(context, config, DType::kF32, 3);
  weights.final_norm.data<float>()[0] = final_norm;
  ExportHuggingFace(context, {.config = config, .weights = weights, .dtype = DType::kF32},
                    directory);
}

TEST(TextEvaluation, OfSentencePieceModelsCountsTheTextsBytes) {
  const TemporaryDirectory directory;
  const auto golden = std::filesystem::path(TANDEM_SOURCE_DIR) / "tests/golden/text/spm_bpe";
  std::filesystem::copy(golden, directory.path());
  const auto tokenizer = LoadTokenizer(directory.path());
  ModelConfig config = Stories260KConfig();
  config.vocab_size = tokenizer->vocab_size();
  WriteModel(directory.path(), config, 1.0f);
  const std::string text = "Once upon a time a boat sailed.";
  const TextScore score =
      Score(directory.path(), {.path = directory.Write("a.txt", text + "\n")}, {}, kFp32);
  std::vector<TokenId> ids = tokenizer->Encode(text, SpecialTokens::kNone);
  ids.insert(ids.begin(), *tokenizer->bos_id());
  SequenceScorer scorer(directory.path(), kFp32);
  double nats = 0;
  const std::vector<float> logprobs = scorer.Score(std::span(&ids, 1)).front();
  for (const float logprob : logprobs) nats -= static_cast<double>(logprob);
  EXPECT_EQ(score.num_bytes, std::ssize(text));  // the space that the tokenizer adds is none
  EXPECT_EQ(score.num_changed, 0);
  EXPECT_NEAR(score.bits_per_byte(), nats / std::log(2.0) / static_cast<double>(text.size()),
              1e-12 * nats);
}

TEST(TextEvaluation, RefusesAModelWhoseLogitsAreNotFinite) {
  const GoldenEvaluationModel tokenizer("llama");
  ModelConfig config = Stories260KConfig();
  WriteModel(tokenizer.path(), config, std::nanf(""));
  const auto score = [&] {
    Score(tokenizer.path(), {.path = GoldenEvaluationFile("texts.txt")}, {}, kFp32);
  };
  EXPECT_TRUE(Contains(MessageOf<FormatError>(score), "not finite in f32"));
}

}  // namespace
}  // namespace tandem
