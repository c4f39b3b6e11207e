#include "loadtest/workload/request_maker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace tandem {
namespace {

using nlohmann::json;

Workload Tokens(int64_t num_tokens) {
  Workload workload;
  workload.classes = {
      RequestClass{.prompt = {.unit = PromptUnit::kTokens, .length = FixedLength{num_tokens}}}};
  return workload;
}

const RequestTarget kTarget = {
    .url = ParseServerUrl("http://h:81/base"), .api_key = "key", .model = "m\"1"};

json BodyOf(const MadeRequest& made) {
  const size_t end = made.message.find("\r\n\r\n") + 4;
  EXPECT_NE(made.message.find("Content-Length: " + std::to_string(made.message.size() - end)),
            std::string::npos);
  return json::parse(made.message.substr(end));
}

TEST(RequestMaker, WritesAWholeMessage) {
  Workload workload = Tokens(8);
  workload.classes[0].ignore_eos = true;
  workload.classes[0].priority = -3;
  workload.classes[0].temperature = 0.5;
  RequestMaker maker(workload, kTarget, 0);
  const MadeRequest made = maker.Make();
  EXPECT_TRUE(made.message.starts_with("POST /base/v1/completions HTTP/1.1\r\nHost: h:81\r\n"));
  EXPECT_NE(made.message.find("\r\nAuthorization: Bearer key\r\n"), std::string::npos);
  const json body = BodyOf(made);
  EXPECT_EQ(body["prompt"].size(), 8u);
  EXPECT_EQ(body["model"], "m\"1");
  EXPECT_EQ(body["max_tokens"], 50);
  EXPECT_EQ(body["stream"], true);
  EXPECT_EQ(body["stream_options"]["include_usage"], true);
  EXPECT_EQ(body["ignore_eos"], true);
  EXPECT_EQ(body["priority"], -3);
  EXPECT_EQ(body["temperature"], 0.5);
  for (const json& id : body["prompt"]) {
    EXPECT_GE(id, workload.first_token_id);
    EXPECT_LT(id, workload.end_token_id);
  }
}

TEST(RequestMaker, SeedAndSaltDecideThePromptsAndTheSeedAloneTheRest) {
  Workload workload = Tokens(8);
  workload.classes[0].output = UniformLength{1, 1000};
  const auto bodies = [&workload](uint64_t salt) {
    RequestMaker maker(workload, kTarget, salt);
    std::vector<json> made;
    for (int i = 0; i < 20; ++i) made.push_back(BodyOf(maker.Make()));
    return made;
  };
  EXPECT_EQ(bodies(5), bodies(5));
  const auto one = bodies(5);
  const auto two = bodies(6);
  std::set<json> prompts;
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i]["max_tokens"], two[i]["max_tokens"]);
    prompts.insert(one[i]["prompt"]);
    prompts.insert(two[i]["prompt"]);
  }
  EXPECT_EQ(prompts.size(), 40u);
}

TEST(RequestMaker, DrawsClassesByTheirWeights) {
  Workload workload = Tokens(1);
  workload.classes.push_back(workload.classes[0]);
  workload.classes[0].weight = 95;
  workload.classes[1].weight = 5;
  RequestMaker maker(workload, kTarget, 1);
  int num_second = 0;
  for (int i = 0; i < 10'000; ++i) num_second += maker.Make().class_index == 1 ? 1 : 0;
  EXPECT_NEAR(num_second, 500, 90);
}

TEST(RequestMaker, SharedPrefixesAreShared) {
  Workload workload = Tokens(4);
  workload.classes[0].shared_prefix = SharedPrefix{.length = FixedLength{16}, .num_prefixes = 3};
  RequestMaker maker(workload, kTarget, 1);
  std::map<std::vector<int>, int> prefixes;
  for (int i = 0; i < 100; ++i) {
    const std::vector<int> prompt = BodyOf(maker.Make())["prompt"];
    ASSERT_EQ(prompt.size(), 20u);
    ++prefixes[{prompt.begin(), prompt.begin() + 16}];
  }
  EXPECT_EQ(prefixes.size(), 3u);
}

TEST(RequestMaker, TextsComeInTurnAndSalted) {
  Workload workload = Tokens(4);
  workload.classes[0].texts = {"say \"hi\"\n", "two"};
  RequestMaker fixed(workload, kTarget, 0);
  EXPECT_EQ(BodyOf(fixed.Make())["prompt"], "say \"hi\"\n");
  EXPECT_EQ(BodyOf(fixed.Make())["prompt"], "two");
  EXPECT_EQ(BodyOf(fixed.Make())["prompt"], "say \"hi\"\n");
  RequestMaker salted(workload, kTarget, 0xabcd);
  EXPECT_EQ(BodyOf(salted.Make())["prompt"], "[abcd] say \"hi\"\n");
}

TEST(RequestMaker, OtherApisHaveTheirOwnForms) {
  Workload workload = Tokens(4);
  workload.classes[0].prompt.unit = PromptUnit::kWords;
  workload.api = Api::kGenerate;
  workload.stream = false;
  RequestMaker generate(workload, kTarget, 1);
  const MadeRequest plain = generate.Make();
  EXPECT_TRUE(plain.message.starts_with("POST /base/generate "));
  EXPECT_EQ(BodyOf(plain)["max_new_tokens"], 50);
  EXPECT_FALSE(BodyOf(plain).contains("stream"));
  workload.api = Api::kChat;
  RequestMaker chat(workload, kTarget, 1);
  const json body = BodyOf(chat.Make());
  EXPECT_EQ(body["messages"][0]["role"], "user");
  EXPECT_EQ(std::ranges::count(body["messages"][0]["content"].get<std::string>(), ' '), 3);
}

TEST(RequestMaker, ATraceSaysWhatItKnows) {
  const Workload workload = Tokens(4);
  RequestMaker maker(workload, kTarget, 0);
  EXPECT_EQ(BodyOf(maker.Make({.prompt = "from the trace"}))["prompt"], "from the trace");
  const json body = BodyOf(maker.Make({.num_prompt_tokens = 9, .num_output_tokens = 77}));
  EXPECT_EQ(body["prompt"].size(), 9u);
  EXPECT_EQ(body["max_tokens"], 77);
}

TEST(RequestMaker, LengthsFollowTheirDistributions) {
  RandomDraws draws(5);
  const Length log_normal = LogNormalLength{.median = 100, .sigma = 0.5, .min = 20, .max = 400};
  int num_below = 0;
  for (int i = 0; i < 10'000; ++i) {
    const int64_t length = DrawLength(log_normal, draws);
    EXPECT_GE(length, 20);
    EXPECT_LE(length, 400);
    num_below += length < 100 ? 1 : 0;
  }
  EXPECT_NEAR(num_below, 5000, 200);
  std::set<int64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(DrawLength(UniformLength{3, 5}, draws));
  EXPECT_EQ(seen, (std::set<int64_t>{3, 4, 5}));
}

TEST(RequestMaker, GivesTheTokensOfTheSameRequests) {
  Workload workload;
  workload.classes = {
      RequestClass{.prompt = {.unit = PromptUnit::kTokens, .length = UniformLength{2, 9}},
                   .shared_prefix = SharedPrefix{.length = FixedLength{5}, .num_prefixes = 3},
                   .output = UniformLength{1, 50}}};
  RequestMaker messages(workload, {}, 3);
  RequestMaker tokens(workload, {}, 3);
  for (int i = 0; i < 20; ++i) {
    const json body = BodyOf(messages.Make());
    const TokenRequest request = tokens.MakeTokens();
    EXPECT_EQ(body["prompt"], json(request.prompt));
    EXPECT_EQ(body["max_tokens"], request.num_output_tokens);
  }
}

}  // namespace
}  // namespace tandem
