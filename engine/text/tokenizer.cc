#include "engine/text/tokenizer.h"

#include "engine/text/detokenizer.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/tokenizer_json.h"
#include "engine/text/vocabulary_and_merges.h"
#include "kernels/core/error.h"

namespace tandem {

std::string Tokenizer::Decode(const std::vector<TokenId>& ids, bool skip_special) const {
  Detokenizer detokenizer(*this, skip_special);
  std::string text;
  for (const TokenId id : ids) text += detokenizer.Push(id);
  return text + detokenizer.Finish();
}

std::unique_ptr<const Tokenizer> LoadTokenizer(const std::filesystem::path& directory) {
  auto has = [&](const char* name) {
    std::error_code error;  // what cannot be looked at is not there
    return std::filesystem::is_regular_file(directory / name, error);
  };
  const TokenizerConfig config = LoadTokenizerConfig(directory);
  if (has("tokenizer.json")) return LoadTokenizerJson(directory / "tokenizer.json", config);
  if (has("tokenizer.model")) {
    return LoadSentencePieceTokenizer(directory / "tokenizer.model", config);
  }
  for (const char* vocabulary : {"vocab.json", "encoder.json"}) {
    for (const char* merges : {"merges.txt", "vocab.bpe"}) {
      if (has(vocabulary) && has(merges)) {
        return LoadVocabularyAndMerges(directory / vocabulary, directory / merges, config);
      }
    }
  }
  throw FormatError(directory.string() +
                    ": no tokenizer was found; looked for tokenizer.json, tokenizer.model, and "
                    "vocab.json or encoder.json with merges.txt or vocab.bpe" +
                    (config.tokenizer_class.empty()
                         ? ""
                         : " (tokenizer_config.json names " + config.tokenizer_class + ")"));
}

}  // namespace tandem
