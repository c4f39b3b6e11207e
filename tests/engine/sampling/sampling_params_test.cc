#include "engine/sampling/sampling_params.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

constexpr int64_t kVocab = 100;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The field that Validate refuses, or "".
std::string RefusedField(const std::function<void(SamplingParams&)>& change) {
  SamplingParams params;
  change(params);
  try {
    Validate(params, kVocab);
  } catch (const InvalidRequest& error) {
    EXPECT_TRUE(Contains(error.what(), error.field()));
    return error.field();
  }
  return "";
}

TEST(SamplingParams, DefaultsAreValid) { EXPECT_NO_THROW(Validate(SamplingParams{}, kVocab)); }

TEST(SamplingParams, AcceptsTheEndsOfEachRange) {
  SamplingParams params;
  params.temperature = 0.0f;
  params.top_k = std::numeric_limits<int32_t>::max();
  params.top_p = 1e-6f;
  params.min_p = 1.0f;
  params.repetition_penalty = 10.0f;
  params.frequency_penalty = -2.0f;
  params.presence_penalty = 2.0f;
  params.logit_bias = {{0, -100.0f}, {99, 100.0f}};
  params.max_tokens = 0;
  params.stop_token_ids = std::vector<int32_t>(128, 99);
  params.logprobs = 0;
  params.prompt_logprobs = 20;
  EXPECT_NO_THROW(Validate(params, kVocab));
}

TEST(SamplingParams, RefusesNumbersOutOfRange) {
  struct Case {
    const char* field;
    float SamplingParams::*member;
    std::vector<float> bad;
  };
  const Case cases[] = {
      {"temperature", &SamplingParams::temperature, {-0.1f, 2.1f}},
      {"top_p", &SamplingParams::top_p, {0.0f, -0.5f, 1.1f}},
      {"min_p", &SamplingParams::min_p, {-0.1f, 1.1f}},
      {"repetition_penalty", &SamplingParams::repetition_penalty, {0.0f, -1.0f, 9e-7f, 10.5f}},
      {"frequency_penalty", &SamplingParams::frequency_penalty, {-2.1f, 2.1f}},
      {"presence_penalty", &SamplingParams::presence_penalty, {-2.1f, 2.1f}},
  };
  for (const Case& c : cases) {
    std::vector<float> bad = c.bad;
    bad.insert(bad.end(), {kNan, kInfinity, -kInfinity});
    for (float value : bad) {
      EXPECT_EQ(RefusedField([&](SamplingParams& params) { params.*c.member = value; }), c.field)
          << value;
    }
  }
}

TEST(SamplingParams, RefusesCountsAndIdsOutOfRange) {
  using P = SamplingParams;
  EXPECT_EQ(RefusedField([](P& p) { p.top_k = -1; }), "top_k");
  EXPECT_EQ(RefusedField([](P& p) { p.max_tokens = -1; }), "max_tokens");
  EXPECT_EQ(RefusedField([](P& p) { p.min_tokens = -1; }), "min_tokens");
  EXPECT_EQ(RefusedField([](P& p) { p.min_tokens = p.max_tokens + 1; }), "min_tokens");
  EXPECT_EQ(RefusedField([](P& p) { p.stop_token_ids = {100}; }), "stop_token_ids");
  EXPECT_EQ(RefusedField([](P& p) { p.stop_token_ids = {-1}; }), "stop_token_ids");
  EXPECT_EQ(RefusedField([](P& p) { p.stop_token_ids.assign(129, 0); }), "stop_token_ids");
  EXPECT_EQ(RefusedField([](P& p) { p.logprobs = 21; }), "logprobs");
  EXPECT_EQ(RefusedField([](P& p) { p.logprobs = -1; }), "logprobs");
  EXPECT_EQ(RefusedField([](P& p) { p.prompt_logprobs = 21; }), "prompt_logprobs");
  EXPECT_EQ(RefusedField([](P& p) { p.logit_bias = {{100, 0.0f}}; }), "logit_bias");
  EXPECT_EQ(RefusedField([](P& p) { p.logit_bias = {{-1, 0.0f}}; }), "logit_bias");
  EXPECT_EQ(RefusedField([](P& p) { p.logit_bias = {{1, 100.5f}}; }), "logit_bias");
  EXPECT_EQ(RefusedField([](P& p) { p.logit_bias = {{1, kNan}}; }), "logit_bias");
  EXPECT_EQ(RefusedField([](P& p) { p.logit_bias.assign(1025, {1, 0.0f}); }), "logit_bias");
}

TEST(SamplingParams, MessagesNameValueAndLimits) {
  SamplingParams params;
  params.temperature = 3.0f;
  EXPECT_EQ(MessageOf<InvalidRequest>([&] { Validate(params, kVocab); }),
            "temperature is 3, expected 0 to 2");
  params.temperature = 2.1f;  // as the client wrote it, not as a double shows it
  EXPECT_EQ(MessageOf<InvalidRequest>([&] { Validate(params, kVocab); }),
            "temperature is 2.1, expected 0 to 2");
}

}  // namespace
}  // namespace tandem
