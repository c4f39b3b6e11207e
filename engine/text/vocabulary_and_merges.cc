#include "engine/text/vocabulary_and_merges.h"

#include <algorithm>

#include "engine/text/bpe_vocabulary_reader.h"
#include "engine/text/json_access.h"
#include "engine/text/known_pattern.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

// Whose words and normaliser a class has.
enum class Family : uint8_t { kGpt2, kQwen };

Family FamilyOf(const std::filesystem::path& vocabulary, const TokenizerConfig& config) {
  const std::string& name = config.tokenizer_class;
  if (name.starts_with("Qwen2")) return Family::kQwen;
  for (const char* gpt2 : {"GPT2", "CodeGen", "PreTrainedTokenizer"}) {
    if (name.empty() || name.starts_with(gpt2)) return Family::kGpt2;
  }
  throw FormatError(vocabulary.string() + ": tokenizer_config.json names the class '" + name +
                    "'; without a tokenizer.json, GPT2Tokenizer and Qwen2Tokenizer are known. Save "
                    "the tokenizer with transformers to get a tokenizer.json");
}

std::vector<std::pair<std::string, std::string>> ReadMergesFile(const std::filesystem::path& path) {
  std::vector<std::pair<std::string, std::string>> merges;
  const std::string text = ReadTokenizerFile(path);
  int line_number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++line_number;
    if (!line.empty() && !line.starts_with("#version")) {
      merges.push_back(SplitMerge(line, path.string() + ": line " + std::to_string(line_number)));
    }
    begin = end + 1;
  }
  return merges;
}

}  // namespace

std::unique_ptr<const Tokenizer> LoadVocabularyAndMerges(const std::filesystem::path& vocabulary,
                                                         const std::filesystem::path& merges,
                                                         const TokenizerConfig& config) {
  BpeTokenizerParts parts;
  const nlohmann::json document = ReadTokenizerJson(vocabulary);
  parts.vocabulary.tokens = ReadVocabulary(JsonNode(document, vocabulary.string()));
  parts.vocabulary.merges = ReadMergesFile(merges);

  const bool is_qwen = FamilyOf(vocabulary, config) == Family::kQwen;
  std::vector<PreTokenizer::Step> steps;
  if (config.add_prefix_space) steps.push_back(PrefixSpaceStep{});
  steps.push_back(
      SplitStep{Regex(is_qwen ? kQwenPattern : kGpt2Pattern), SplitBehavior::kIsolated});
  parts.pre_tokenizer = PreTokenizer(std::move(steps));
  if (is_qwen) {
    std::vector<Normalizer::Step> normal_form;
    normal_form.emplace_back(NormalForm::kNfc);
    parts.normalizer = Normalizer(std::move(normal_form));
  }

  TokenizerConfig completed = config;
  if (!completed.bos_token && !completed.eos_token) {
    completed.bos_token = completed.eos_token = "<|endoftext|>";  // GPT-2's defaults
    completed.special_tokens.push_back("<|endoftext|>");
  }
  return BuildBpeTokenizer(vocabulary, completed, std::move(parts));
}

}  // namespace tandem
