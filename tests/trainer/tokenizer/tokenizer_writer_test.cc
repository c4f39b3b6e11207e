#include "trainer/tokenizer/tokenizer_writer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/text/chat_template.h"
#include "engine/text/jinja/json_value.h"
#include "engine/text/tokenizer.h"
#include "tests/support/temporary_directory.h"
#include "trainer/tokenizer/count_words.h"

namespace tandem {
namespace {

using Ids = std::vector<TokenId>;

const std::filesystem::path kCorpus = TANDEM_SOURCE_DIR "/tests/golden/trained/corpus.txt";

std::string CorpusText() {
  std::ifstream in(kCorpus, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Trained {
  TrainedBpe bpe;
  WordCounts words;
};

Trained WriteTrained(TokenPreset preset, KnownPattern pattern,
                     const std::filesystem::path& directory) {
  Trained trained;
  AddWords(pattern, CorpusText(), &trained.words);
  const auto added = AddedTokensOf(preset);
  std::vector<std::string> names;
  for (const auto& token : added) names.emplace_back(token.content);
  trained.bpe = TrainBpe(trained.words, names, {.vocab_size = 600});
  WriteTokenizer({.bpe = trained.bpe, .pattern = pattern, .added_tokens = added}, directory);
  return trained;
}

TEST(TokenizerWriter, WritesWhatOurReaderEncodesAsTrained) {
  for (const auto pattern : {KnownPattern::kGpt2, KnownPattern::kLlama3, KnownPattern::kQwen}) {
    const TemporaryDirectory directory;
    const Trained trained = WriteTrained(TokenPreset::kChatMl, pattern, directory / "new");
    const auto tokenizer = LoadTokenizer(directory / "new");
    EXPECT_EQ(tokenizer->vocab_size(), 600);
    EXPECT_EQ(tokenizer->bos_id(), 1);
    EXPECT_EQ(tokenizer->eos_id(), 2);
    const std::string text = CorpusText();
    const Ids ids = tokenizer->Encode(text, SpecialTokens::kAdd);
    EXPECT_EQ(static_cast<int64_t>(ids.size()), trained.bpe.num_corpus_tokens);
    EXPECT_EQ(tokenizer->Decode(ids), text);
    EXPECT_EQ(tokenizer->Encode("<|im_end|>", SpecialTokens::kNone), Ids{2});
  }
}

TEST(TokenizerWriter, HasTheTokensOfMiniMind) {
  const TemporaryDirectory directory;
  WriteTrained(TokenPreset::kMiniMind, KnownPattern::kGpt2, directory.path());
  const auto tokenizer = LoadTokenizer(directory.path());
  const auto text = "<|endoftext|><|im_start|><|im_end|><tool_call></think><|buffer9|>";
  EXPECT_EQ(tokenizer->Encode(text, SpecialTokens::kNone), (Ids{0, 1, 2, 21, 26, 35}));
  for (TokenId id = 0; id < 40; ++id) EXPECT_EQ(tokenizer->IsSpecial(id), id <= 20) << id;
  EXPECT_EQ(tokenizer->Decode({0, 1, 21, 25, 20, 35}), "<tool_call><think><|buffer9|>");
  EXPECT_EQ(tokenizer->FindToken("!"), 36);
}

TEST(TokenizerWriter, HasTheTokensOfTheReleasedMiniMind) {
  const std::filesystem::path released =
      TANDEM_SOURCE_DIR "/../shared/data/tokenizers/minimind/tokenizer.json";
  if (!std::filesystem::exists(released)) GTEST_SKIP() << released << " is not there";
  std::ifstream in(released);
  const nlohmann::json rows = nlohmann::json::parse(in)["added_tokens"];
  const auto ours = AddedTokensOf(TokenPreset::kMiniMind);
  ASSERT_EQ(rows.size(), ours.size());
  for (size_t id = 0; id < ours.size(); ++id) {
    EXPECT_EQ(rows[id]["id"], id);
    EXPECT_EQ(rows[id]["content"], ours[id].content);
    EXPECT_EQ(rows[id]["special"], ours[id].special);
  }
}

struct Chat {
  std::string messages;
  std::string tools = "null";
  std::string variables = "{}";
  GenerationPrompt prompt = GenerationPrompt::kNone;
};

std::string Rendered(const Chat& chat) {
  const TemporaryDirectory directory;
  directory.Write("tokenizer_config.json",
                  FormatTokenizerConfig({.bpe = {}, .pattern = {}, .added_tokens = {}}));
  const auto chat_template = ChatTemplate::FromDirectory(directory.path());
  EXPECT_TRUE(chat_template);
  const auto value = [](const std::string& text) { return jinja::ParseValue(text, "test"); };
  ChatInput input{.messages = value(chat.messages), .generation_prompt = chat.prompt};
  if (chat.tools != "null") input.tools = value(chat.tools);
  const auto variables = nlohmann::json::parse(chat.variables);
  for (const auto& [name, variable] : variables.items()) {
    input.variables.emplace_back(name, value(variable.dump()));
  }
  return chat_template->Render(input).text;
}

TEST(TrainedChatTemplate, WritesTurns) {
  EXPECT_EQ(Rendered({.messages = R"([{"role": "user", "content": "Hi"}])",
                      .prompt = GenerationPrompt::kAdd}),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(Rendered({.messages = R"([{"role": "system", "content": "Be kind."},
                                      {"role": "user", "content": "Hi"},
                                      {"role": "assistant", "content": "Ho"}])"}),
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\nHo<|im_end|>\n");
}

TEST(TrainedChatTemplate, WritesReasoningWhereThereIsAny) {
  EXPECT_EQ(Rendered({.messages = R"([{"role": "assistant", "content": "4",
                                       "reasoning_content": "2 and 2"}])"}),
            "<|im_start|>assistant\n<think>\n2 and 2\n</think>\n\n4<|im_end|>\n");
  for (const char* name : {"enable_thinking", "open_thinking"}) {
    EXPECT_EQ(Rendered({.messages = R"([{"role": "user", "content": "2+2?"}])",
                        .variables = std::string("{\"") + name + "\": true}",
                        .prompt = GenerationPrompt::kAdd}),
              "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n<think>\n");
  }
}

TEST(TrainedChatTemplate, WritesToolsTheirCallsAndTheirResults) {
  const std::string text = Rendered({.messages = R"([{"role": "user", "content": "Weather?"},
          {"role": "assistant", "content": "", "tool_calls": [
            {"function": {"name": "weather", "arguments": {"city": "Bonn"}}},
            {"function": {"name": "weather", "arguments": "{\"city\": \"Rome\"}"}}]},
          {"role": "tool", "content": "rain"}, {"role": "tool", "content": "sun"},
          {"role": "assistant", "content": "Rain and sun."}])",
                                     .tools = R"([{"name": "weather"}])"});
  EXPECT_EQ(text,
            "<|im_start|>system\nYou can call these tools:\n<tools>\n{\"name\": \"weather\"}\n"
            "</tools>\nTo call one, write its name and its arguments:\n<tool_call>\n"
            "{\"name\": \"...\", \"arguments\": {...}}\n</tool_call><|im_end|>\n"
            "<|im_start|>user\nWeather?<|im_end|>\n"
            "<|im_start|>assistant\n<tool_call>\n"
            "{\"name\": \"weather\", \"arguments\": {\"city\": \"Bonn\"}}\n</tool_call>\n"
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n"
            "</tool_call><|im_end|>\n"
            "<|im_start|>user\n<tool_response>\nrain\n</tool_response>\n<tool_response>\nsun\n"
            "</tool_response><|im_end|>\n"
            "<|im_start|>assistant\nRain and sun.<|im_end|>\n");
}

}  // namespace
}  // namespace tandem
