#pragma once
// Small texts, a small model, and the programs that train it: for tests of tandem-train as a whole.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/e2e/program.h"
#include "tests/support/temporary_directory.h"

namespace tandem {

inline const std::string kBin = std::string(TANDEM_BUILD_DIR) + "/bin/";

inline constexpr const char* kTexts = R"({"text": "The small boat sails over the quiet lake."})"
                                      "\n"
                                      R"({"text": "Every morning the baker opens his warm shop."})"
                                      "\n"
                                      R"({"text": "小船驶过安静的湖面。"})"
                                      "\n";
inline constexpr const char* kConversations =
    R"({"conversations": [{"role": "user", "content": "Who sails?"}, )"
    R"({"role": "assistant", "content": "The small boat sails."}]})"
    "\n"
    R"({"conversations": [{"role": "user", "content": "Who opens the shop?"}, )"
    R"({"role": "assistant", "content": "The baker opens it."}]})"
    "\n";
inline constexpr const char* kConfig =
    R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64,
        "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 400, "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "attention_bias": false,
        "mlp_bias": false, "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2})";

class TrainPrograms : public testing::Test {
 protected:
  // The output of a program that ends well.
  std::string Output(std::vector<std::string> command) {
    command.front() = kBin + command.front();
    Program program(command);
    EXPECT_EQ(program.Wait(), 0) << program.text();
    return program.text();
  }
  std::string Path(const std::string& name) const { return (base_ / name).string(); }

  TemporaryDirectory base_;
};

}  // namespace tandem
