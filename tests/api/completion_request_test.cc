#include "api/openai/completion_request.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"

namespace tandem {
namespace {

CompletionRequest Parse(const std::string& body, const GenerationConfig& defaults = {}) {
  return ParseCompletionRequest(body, defaults);
}

// The field that is named, "" for none, "accepted" when nothing was wrong.
std::string FieldAtFault(const std::string& body) {
  try {
    const CompletionRequest request = Parse(body);
    Validate(request.sampling, 258);
    return "accepted";
  } catch (const InvalidRequest& error) {
    EXPECT_GT(std::string(error.what()).size(), 10u);
    return error.field();
  }
}

TEST(CompletionRequest, HasOpenAisDefaults) {
  const CompletionRequest request = Parse(R"({"prompt":"a"})");
  EXPECT_EQ(request.sampling.max_tokens, 16);
  EXPECT_FALSE(request.max_tokens_given);
  EXPECT_EQ(request.sampling.temperature, 1.0f);
  EXPECT_EQ(request.num_choices, 1);
  EXPECT_FALSE(request.seed);
  EXPECT_FALSE(request.stream);
}

TEST(CompletionRequest, TakesEveryFormOfPrompt) {
  using Ids = std::vector<TokenId>;
  const auto one = Parse(R"({"prompt":"a"})").prompts;
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(std::get<std::string>(one[0]), "a");
  const auto strings = Parse(R"({"prompt":["a","b"]})").prompts;
  ASSERT_EQ(strings.size(), 2u);
  EXPECT_EQ(std::get<std::string>(strings[1]), "b");
  const auto ids = Parse(R"({"prompt":[1,2,3]})").prompts;
  ASSERT_EQ(ids.size(), 1u);
  EXPECT_EQ(std::get<Ids>(ids[0]), (Ids{1, 2, 3}));
  const auto lists = Parse(R"({"prompt":[[1],[2,3]]})").prompts;
  ASSERT_EQ(lists.size(), 2u);
  EXPECT_EQ(std::get<Ids>(lists[1]), (Ids{2, 3}));
}

TEST(CompletionRequest, ReadsTheExtensions) {
  const CompletionRequest request = Parse(R"({"prompt":"a","top_k":-1,"min_p":0.1,"min_tokens":2,
      "max_tokens":5,"ignore_eos":true,"stop_token_ids":[7],"skip_special_tokens":false,
      "include_stop_str_in_output":true,"repetition_penalty":1.5,"priority":-3,"seed":-1,
      "stop":"x","n":3,"best_of":3,"logit_bias":{"5":-100},"logprobs":2,"echo":true,"user":"u"})");
  EXPECT_EQ(request.sampling.top_k, 0);
  EXPECT_FLOAT_EQ(request.sampling.min_p, 0.1f);
  EXPECT_EQ(request.sampling.min_tokens, 2);
  EXPECT_TRUE(request.sampling.ignore_eos);
  EXPECT_EQ(request.sampling.stop_token_ids, std::vector<int32_t>{7});
  EXPECT_FALSE(request.skip_special_tokens);
  EXPECT_TRUE(request.include_stop);
  EXPECT_EQ(request.priority, -3);
  EXPECT_EQ(request.seed, ~uint64_t{0});
  EXPECT_EQ(request.num_choices, 3);
  ASSERT_EQ(request.sampling.logit_bias.size(), 1u);
  EXPECT_EQ(request.sampling.logit_bias[0].id, 5);
  EXPECT_EQ(request.sampling.logprobs, 2);
  EXPECT_EQ(request.sampling.prompt_logprobs, 2);
}

TEST(CompletionRequest, TakesNullForAbsentAndIgnoresUnknownFields) {
  const CompletionRequest request = Parse(R"({"prompt":"a","stop":null,"logprobs":null,"seed":null,
      "suffix":null,"metadata":{"a":1},"store":true,"tools":[],"response_format":{"type":"text"}})");
  EXPECT_TRUE(request.stop.empty());
  EXPECT_FALSE(request.sampling.logprobs);
}

TEST(CompletionRequest, TakesWhatLoadTestersSend) {
  EXPECT_EQ(FieldAtFault(R"({"model":"tiny","prompt":"a","repetition_penalty":1.0,"logprobs":null,
      "max_tokens":8,"max_completion_tokens":8,"temperature":0.0,"stream":true,"ignore_eos":true,
      "stop":null,"stream_options":{"include_usage":true,"continuous_usage_stats":true}})"),
            "accepted");
}

TEST(CompletionRequest, UsesTheModelsOwnDefaults) {
  GenerationConfig defaults;
  defaults.temperature = 0.5f;
  defaults.top_k = 20;
  EXPECT_EQ(Parse(R"({"prompt":"a"})", defaults).sampling.top_k, 20);
  EXPECT_FLOAT_EQ(Parse(R"({"prompt":"a"})", defaults).sampling.temperature, 0.5f);
  EXPECT_FLOAT_EQ(Parse(R"({"prompt":"a","temperature":2})", defaults).sampling.temperature, 2.0f);
}

TEST(CompletionRequest, NamesTheFieldAtFault) {
  struct Case {
    const char* body;
    const char* field;
  };
  const Case cases[] = {
      {"", ""},
      {"[]", ""},
      {"{\"prompt\":", ""},
      {"\"text\"", ""},
      {R"({"prompt":"a","prompt":"b"})", ""},
      {"{\"prompt\":\"\xff\"}", ""},
      {R"({})", "prompt"},
      {R"({"prompt":null})", "prompt"},
      {R"({"prompt":5})", "prompt"},
      {R"({"prompt":{"a":1}})", "prompt"},
      {R"({"prompt":["a",5]})", "prompt"},
      {R"({"prompt":[1,"a"]})", "prompt"},
      {R"({"prompt":[1,-2]})", "prompt"},
      {R"({"prompt":[1,2.5]})", "prompt"},
      {R"({"prompt":[1,99999999999]})", "prompt"},
      {R"({"prompt":[[1],["a"]]})", "prompt"},
      {R"({"prompt":"a","model":5})", "model"},
      {R"({"prompt":"a","max_tokens":-1})", "max_tokens"},
      {R"({"prompt":"a","max_tokens":0})", "max_tokens"},
      {R"({"prompt":"a","max_tokens":1.5})", "max_tokens"},
      {R"({"prompt":"a","max_tokens":"5"})", "max_tokens"},
      {R"({"prompt":"a","max_tokens":true})", "max_tokens"},
      {R"({"prompt":"a","max_tokens":99999999999999999999999})", "max_tokens"},
      {R"({"prompt":"a","temperature":-0.1})", "temperature"},
      {R"({"prompt":"a","temperature":1e300})", "temperature"},
      {R"({"prompt":"a","temperature":"hot"})", "temperature"},
      {R"({"prompt":"a","temperature":2.0000000000000004})", "temperature"},
      {R"({"prompt":"a","min_p":-1e-50})", "min_p"},
      {R"({"prompt":"a","top_p":0})", "top_p"},
      {R"({"prompt":"a","top_p":1.1})", "top_p"},
      {R"({"prompt":"a","top_k":-2})", "top_k"},
      {R"({"prompt":"a","min_p":2})", "min_p"},
      {R"({"prompt":"a","repetition_penalty":0})", "repetition_penalty"},
      {R"({"prompt":"a","repetition_penalty":1e-38})", "repetition_penalty"},
      {R"({"prompt":"a","frequency_penalty":3})", "frequency_penalty"},
      {R"({"prompt":"a","presence_penalty":-3})", "presence_penalty"},
      {R"({"prompt":"a","logit_bias":[1]})", "logit_bias"},
      {R"({"prompt":"a","logit_bias":{"x":1}})", "logit_bias"},
      {R"({"prompt":"a","logit_bias":{"-1":1}})", "logit_bias"},
      {R"({"prompt":"a","logit_bias":{"300":1}})", "logit_bias"},
      {R"({"prompt":"a","logit_bias":{"1":101}})", "logit_bias"},
      {R"({"prompt":"a","n":0})", "n"},
      {R"({"prompt":"a","n":17})", "n"},
      {R"({"prompt":"a","best_of":2})", "best_of"},
      {R"({"prompt":"a","logprobs":21})", "logprobs"},
      {R"({"prompt":"a","logprobs":true})", "logprobs"},
      {R"({"prompt":"a","stop":5})", "stop"},
      {R"({"prompt":"a","stop":["a",5]})", "stop"},
      {R"({"prompt":"a","stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]})",
       "stop"},
      {R"({"prompt":"a","stop_token_ids":[300]})", "stop_token_ids"},
      {R"({"prompt":"a","min_tokens":17})", "min_tokens"},
      {R"({"prompt":"a","stream":"yes"})", "stream"},
      {R"({"prompt":"a","stream_options":{}})", "stream_options"},
      {R"({"prompt":"a","stream":true,"stream_options":{"include_usage":1}})",
       "stream_options.include_usage"},
      {R"({"prompt":"a","stream":true,"stream_options":{"continuous_usage_stats":1}})",
       "stream_options.continuous_usage_stats"},
      {R"({"prompt":"a","echo":"yes"})", "echo"},
      {R"({"prompt":"a","user":5})", "user"},
      {R"({"prompt":"a","suffix":"b"})", "suffix"},
      {R"({"prompt":"a","tools":[{}]})", "tools"},
      {R"({"prompt":"a","response_format":{"type":"json_object"}})", "response_format"},
      {R"({"prompt":"a","response_format":5})", "response_format"},
      {R"({"prompt":"a","guided_json":{"type":"object"}})", "guided_json"},
      {R"({"prompt":"a","priority":5000})", "priority"},
      {R"({"prompt":"a","seed":0.5})", "seed"},
  };
  for (const Case& c : cases) EXPECT_EQ(FieldAtFault(c.body), c.field) << c.body;
}

TEST(CompletionRequest, RoundsNoNumberOntoALimitThatItOnlyComesNear) {
  const SamplingParams sampling =
      Parse(R"({"prompt":"a","top_p":5e-324,"temperature":1.9999999999,"min_p":0.1})").sampling;
  EXPECT_GT(sampling.top_p, 0.0f);
  EXPECT_LT(sampling.temperature, 2.0f);
  EXPECT_EQ(sampling.min_p, 0.1f);
}

TEST(CompletionRequest, RefusesTooManyPromptsAndDeepNesting) {
  std::string prompts = "\"a\"";
  for (int i = 0; i < 32; ++i) prompts += ",\"a\"";
  EXPECT_EQ(FieldAtFault("{\"prompt\":[" + prompts + "]}"), "prompt");
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ(FieldAtFault("{\"prompt\":\"a\",\"x\":" + deep + "}"), "");
}

}  // namespace
}  // namespace tandem
