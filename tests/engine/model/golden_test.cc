// Random checkpoints of every architecture against what PyTorch computed with them
// (tests/golden/make_models.py): logits of every prompt position, and 64 greedy tokens.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "engine/model_runner.h"
#include "engine/weights/loader.h"
#include "engine/weights/tensor_table.h"
#include "tests/support/runner_session.h"
#include "tests/support/tolerances.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

fs::path GoldenRoot() { return fs::path(TANDEM_SOURCE_DIR) / "tests/golden/models"; }

std::vector<std::string> GoldenModels() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(GoldenRoot())) {
    if (fs::exists(entry.path() / "config.json")) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// A prompt, the logits [tokens, vocab] of all its positions, and its greedy continuation.
struct Expectation {
  std::vector<TokenId> prompt;
  std::vector<float> logits;
  std::vector<TokenId> greedy;
};

template <typename T>
std::vector<T> ValuesOf(const TensorTable& table, const std::string& name) {
  const TensorTable::Entry* entry = table.Find(name);
  CHECK(entry != nullptr, name);
  std::vector<T> values(static_cast<size_t>(entry->view.num_elements()));
  std::memcpy(values.data(), entry->view.bytes(), values.size() * sizeof(T));
  return values;
}

std::vector<Expectation> ReadExpectations(const fs::path& directory) {
  const TensorTable table = ReadSafetensors(directory / "expected");
  std::vector<Expectation> all;
  for (int i = 0; table.Find("prompt_" + std::to_string(i)) != nullptr; ++i) {
    const std::string suffix = std::to_string(i);
    all.push_back({.prompt = ValuesOf<TokenId>(table, "prompt_" + suffix),
                   .logits = ValuesOf<float>(table, "logits_" + suffix),
                   .greedy = ValuesOf<TokenId>(table, "greedy_" + suffix)});
  }
  return all;
}

ModelRunnerOptions OptionsFor(DType dtype, InstructionSet isa) {
  ModelRunnerOptions options;
  options.dtype = dtype;
  options.isa = isa;
  options.max_context = 256;
  options.max_sequences = 4;
  options.max_step_tokens = 128;
  options.num_threads = 2;
  return options;
}

// Logits of all positions of one prompt, straight from the forward pass.
std::vector<float> PromptLogits(const fs::path& directory, const std::vector<TokenId>& prompt,
                                InstructionSet isa) {
  const ModelConfig config = ReadModelConfig(directory);
  ThreadPool pool(2);
  Workspace workspace;
  Context context{.pool = pool, .isa = isa, .workspace = workspace};
  const ModelWeights weights = LoadWeights(context, ReadSafetensors(directory), config, DType::kF32,
                                           directory.filename().string());
  const auto tokens = static_cast<int64_t>(prompt.size());
  Transformer transformer(config, weights, tokens);
  KvPool kv({.num_layers = config.num_layers,
             .num_kv_heads = config.num_kv_heads,
             .head_dim = config.head_dim,
             .dtype = DType::kF32},
            (tokens + 15) / 16);
  std::vector<PageId> pages(static_cast<size_t>(kv.num_pages()));
  std::iota(pages.begin(), pages.end(), 0);
  const SequenceStep step{
      .history = prompt, .num_prompt = tokens, .first = 0, .count = tokens, .pages = pages};
  TokenBatch batch;
  batch.Assign(context, std::span(&step, 1));
  transformer.Forward(context, batch, kv);
  std::vector<int32_t> rows(prompt.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> logits(prompt.size() * static_cast<size_t>(config.vocab_size));
  transformer.Logits(context, {rows.data(), Shape{tokens}},
                     {logits.data(), Shape{tokens, config.vocab_size}});
  return logits;
}

class GoldenModel : public testing::TestWithParam<std::string> {};

TEST_P(GoldenModel, LogitsInFp32AgreeWithPyTorch) {
  const fs::path directory = GoldenRoot() / GetParam();
  for (const Expectation& expected : ReadExpectations(directory)) {
    double largest = 0;
    for (const float logit : expected.logits) largest = std::max(largest, std::abs(double{logit}));
    for (const InstructionSet isa : UsableInstructionSets()) {
      const std::vector<float> logits = PromptLogits(directory, expected.prompt, isa);
      ASSERT_EQ(logits.size(), expected.logits.size());
      double worst = 0;
      for (size_t i = 0; i < logits.size(); ++i) {
        const double error = std::abs(double{logits[i]} - double{expected.logits[i]});
        ASSERT_FALSE(std::isnan(error)) << "logit " << i << " " << Name(isa);
        worst = std::max(worst, error);
      }
      EXPECT_LE(worst / largest, kGoldenLogitTolerance) << Name(isa);
    }
  }
}

TEST_P(GoldenModel, GreedyTokensInFp32AreThoseOfPyTorch) {
  const fs::path directory = GoldenRoot() / GetParam();
  const std::vector<Expectation> expectations = ReadExpectations(directory);
  ASSERT_FALSE(expectations.empty());
  for (const InstructionSet isa : UsableInstructionSets()) {
    const auto runner = ModelRunner::Load(directory, OptionsFor(DType::kF32, isa));
    for (const Expectation& expected : expectations) {
      SessionOptions options{.max_new_tokens = static_cast<int64_t>(expected.greedy.size())};
      options.sampling.temperature = 0;
      EXPECT_EQ(RunSession(*runner, expected.prompt, options).tokens, expected.greedy) << Name(isa);
    }
  }
}

// Lossy weights are another arithmetic: their distance from fp32 is measured and bounded.
struct Distance {
  double top1_agreement = 0;  // share of positions whose best token is the same
  double mean_logprob = 0;    // mean |difference| of the log-probability of the next prompt token
};

Distance DistanceFromFp32(const fs::path& directory, DType dtype) {
  const auto exact = ModelRunner::Load(directory, OptionsFor(DType::kF32, BestInstructionSet()));
  const auto lossy = ModelRunner::Load(directory, OptionsFor(dtype, BestInstructionSet()));
  Distance distance;
  int64_t positions = 0;
  for (const Expectation& expected : ReadExpectations(directory)) {
    // The greedy continuation as a prompt: every position is compared on the same history.
    std::vector<TokenId> text = expected.prompt;
    text.insert(text.end(), expected.greedy.begin(), expected.greedy.end());
    SessionOptions options{.max_new_tokens = 1};
    options.sampling.temperature = 0;
    options.sampling.prompt_logprobs = 0;
    const SessionResult a = RunSession(*exact, text, options);
    const SessionResult b = RunSession(*lossy, text, options);
    for (size_t i = 0; i < a.prompt_logprobs.size(); ++i) {
      distance.mean_logprob += std::abs(a.prompt_logprobs[i] - b.prompt_logprobs[i]);
    }
    positions += static_cast<int64_t>(a.prompt_logprobs.size());
    for (size_t end = expected.prompt.size(); end < text.size(); ++end) {
      const std::vector<TokenId> prefix(text.begin(), text.begin() + static_cast<int64_t>(end));
      options.sampling.prompt_logprobs.reset();
      distance.top1_agreement += RunSession(*lossy, prefix, options).tokens[0] == text[end];
    }
  }
  distance.mean_logprob /= static_cast<double>(positions);
  distance.top1_agreement /= 2.0 * 64.0;
  return distance;
}

TEST_P(GoldenModel, Bf16StaysCloseToFp32) {
  const Distance distance = DistanceFromFp32(GoldenRoot() / GetParam(), DType::kBf16);
  RecordProperty("top1_agreement", std::to_string(distance.top1_agreement));
  RecordProperty("mean_logprob_difference", std::to_string(distance.mean_logprob));
  std::printf("bf16 %s: top-1 agreement %.3f, mean |dlogprob| %.4f\n", GetParam().c_str(),
              distance.top1_agreement, distance.mean_logprob);
  EXPECT_GE(distance.top1_agreement, 0.9);
  EXPECT_LE(distance.mean_logprob, 0.15);
}

TEST_P(GoldenModel, Int8StaysCloseToFp32) {
  const Distance distance = DistanceFromFp32(GoldenRoot() / GetParam(), DType::kI8);
  RecordProperty("top1_agreement", std::to_string(distance.top1_agreement));
  RecordProperty("mean_logprob_difference", std::to_string(distance.mean_logprob));
  std::printf("int8 %s: top-1 agreement %.3f, mean |dlogprob| %.4f\n", GetParam().c_str(),
              distance.top1_agreement, distance.mean_logprob);
  EXPECT_GE(distance.top1_agreement, 0.8);
  // Wide, for the mixture that gives each token one expert: a flipped choice changes everything.
  EXPECT_LE(distance.mean_logprob, 0.5);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenModel, testing::ValuesIn(GoldenModels()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace tandem
