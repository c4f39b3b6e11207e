// Each step of tokenizer.json against the reference; tests/golden/make_tokenizer_steps.py writes
// the file.

#include "engine/text/tokenizer_steps.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/text/tokenizer.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using nlohmann::json;
using Ids = std::vector<TokenId>;

const std::filesystem::path kSteps = TANDEM_SOURCE_DIR "/tests/golden/text/steps.json";

TEST(TokenizerSteps, GiveTheReferenceIdsAndText) {
  std::ifstream in(kSteps);
  const json golden = json::parse(in);
  const std::vector<std::string> texts = golden["texts"];
  const TemporaryDirectory directory;
  for (const json& one : golden["cases"]) {
    json document = one["parts"];
    const std::string model = one["model"];
    SCOPED_TRACE(document.dump());
    document["model"] = golden["models"][model];
    document["added_tokens"] = one.value("added_tokens", golden["added_tokens"][model]);
    directory.Write("tokenizer.json", document.dump());
    const auto tokenizer = LoadTokenizer(directory.path());
    for (size_t i = 0; i < one["ids"].size(); ++i) {  // behind the texts come random ids
      const Ids ids = one["ids"][i];
      if (i < texts.size()) {
        EXPECT_EQ(tokenizer->Encode(texts[i], SpecialTokens::kAdd), ids) << texts[i];
      }
      EXPECT_EQ(tokenizer->Decode(ids), one["decoded"][i]) << one["ids"][i];
    }
  }
}

}  // namespace
}  // namespace tandem
