// The model that comes with the project: found without a word, and able to hold a short chat.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/e2e/served_program.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kModel = TANDEM_SOURCE_DIR "/configs/models/default";
const fs::path kPrompts = TANDEM_SOURCE_DIR "/configs/train/default/prompts.txt";

class DefaultModel : public ::testing::Test {
 protected:
  static json Chat(uint16_t port, const json& messages) {
    const RawResponse response =
        Complete(port, {{"messages", messages}, {"temperature", 0}, {"max_tokens", 400}},
                 "/v1/chat/completions");
    EXPECT_EQ(response.status, 200) << response.body;
    return json::parse(response.body);
  }

  Program server_{
      {TANDEM_BUILD_DIR "/bin/tandem", "serve", "--port", "0", "--kv-cache-memory", "64MiB"}};
};

// Words; a character that is not ASCII is a word of its own.
std::vector<std::string> WordsOf(const std::string& text) {
  std::vector<std::string> words;
  bool in_word = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0u) == 0x80u) {  // goes on with a character
      words.back() += c;
      continue;
    }
    const bool is_letter = std::isalnum(byte) != 0 || c == '\'';
    if (is_letter && in_word) {
      words.back() += c;
    } else if (std::isspace(byte) == 0) {
      words.emplace_back(1, c);
    }
    in_word = is_letter;
  }
  return words;
}

struct GramCount {
  int64_t num_repeated = 0;
  int64_t num_all = 0;
};

GramCount CountGrams(const std::string& text) {
  const std::vector<std::string> words = WordsOf(text);
  std::set<std::vector<std::string>> seen;
  GramCount count;
  for (size_t i = 0; i + 4 <= words.size(); ++i) {
    ++count.num_all;
    const auto begin = words.begin() + static_cast<std::ptrdiff_t>(i);
    if (!seen.insert({begin, begin + 4}).second) ++count.num_repeated;
  }
  return count;
}

TEST_F(DefaultModel, IsServedWithoutBeingNamed) {
  const uint16_t port = PortOf(server_);
  ASSERT_NE(port, 0) << server_.text();
  const json answer =
      Chat(port, {{{"role", "user"}, {"content", "Who are you?"}}});
  const json& choice = answer["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_NE(choice["message"]["content"].get<std::string>().find("Tandem"), std::string::npos)
      << choice;
}

TEST_F(DefaultModel, EndsItsAnswersAndSeldomRepeatsItself) {
  const uint16_t port = PortOf(server_);
  ASSERT_NE(port, 0) << server_.text();
  std::ifstream prompts(kPrompts);
  int64_t num_prompts = 0, num_ended = 0;
  GramCount grams;
  for (std::string prompt; std::getline(prompts, prompt);) {
    ++num_prompts;
    const json answer = Chat(port, {{{"role", "user"}, {"content", prompt}}});
    const json& choice = answer["choices"][0];
    if (choice["finish_reason"] == "stop") ++num_ended;
    const GramCount count = CountGrams(choice["message"]["content"]);
    grams.num_repeated += count.num_repeated;
    grams.num_all += count.num_all;
  }
  EXPECT_EQ(num_prompts, 20);
  EXPECT_EQ(num_ended, num_prompts);
  EXPECT_GT(grams.num_all, 200);
  EXPECT_LE(grams.num_repeated * 10, grams.num_all) << grams.num_repeated;
}

TEST(DefaultModelFiles, AreSmallEnoughToComeWithTheSources) {
  int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(kModel)) {
    bytes += static_cast<int64_t>(entry.file_size());
  }
  EXPECT_LT(bytes, 55 << 20);
  EXPECT_GT(bytes, 1 << 20);
}

}  // namespace
}  // namespace tandem
