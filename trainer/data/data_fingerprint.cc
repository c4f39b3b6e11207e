#include "trainer/data/data_fingerprint.h"

#include <bit>
#include <system_error>

#include "engine/base/mapped_file.h"
#include "trainer/data/hash64.h"
#include "trainer/data/token_shard_format.h"
#include "trainer/data/value_hash.h"

namespace tandem {
namespace {

std::string_view TextOf(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

template <typename Enum>
uint64_t Number(Enum value) {
  return static_cast<uint64_t>(value);
}

void HashRenderer(const ConversationRenderer& renderer, Hash64* hash) {
  hash->UpdateField(renderer.chat_template().source());
  hash->UpdateNumber(Number(renderer.options().answers));
  hash->UpdateNumber(Number(renderer.options().now.time_since_epoch().count()));
  hash->UpdateNumber(renderer.options().variables.size());
  for (const auto& [name, value] : renderer.options().variables) {
    hash->UpdateField(name);
    HashValue(value, hash);
  }
}

void HashPreprocessing(const MiniMindPreprocessing& options, Hash64* hash) {
  hash->UpdateNumber(std::bit_cast<uint64_t>(options.system_prompt_probability));
  hash->UpdateNumber(std::bit_cast<uint64_t>(options.empty_thinking_removal_probability));
  hash->UpdateNumber(options.seed);
  hash->UpdateNumber(options.system_prompts.size());
  for (const std::string& prompt : options.system_prompts) hash->UpdateField(prompt);
}

}  // namespace

uint64_t FingerprintTokenizer(const std::filesystem::path& directory) {
  Hash64 hash;
  for (const char* name :
       {"tokenizer.json", "tokenizer.model", "vocab.json", "encoder.json", "merges.txt",
        "vocab.bpe", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    std::error_code ignored;  // what cannot be looked at is not there
    if (!std::filesystem::is_regular_file(directory / name, ignored)) continue;
    hash.UpdateField(name);
    hash.UpdateField(TextOf(MappedFile(directory / name)));
  }
  return hash.Digest();
}

uint64_t FingerprintShard(const DataInputs& inputs, const DataSource& source, DataFormat format,
                          std::string_view content, const ShardOptions& options) {
  Hash64 hash;
  hash.UpdateNumber(kShardVersion);
  hash.UpdateNumber(inputs.tokenizer_fingerprint);
  hash.UpdateNumber(Number(inputs.tokenizer.vocab_size()));
  hash.UpdateNumber(Number(format));
  hash.UpdateNumber(source.separator.has_value() ? 1 : 0);
  hash.UpdateField(source.separator.value_or(""));
  if (format == DataFormat::kConversations && inputs.renderer != nullptr) {
    HashRenderer(*inputs.renderer, &hash);
    HashPreprocessing(options.samples.preprocessing, &hash);
  }
  hash.UpdateNumber(Number(options.samples.form));
  hash.UpdateNumber(Number(options.samples.max_tokens));
  hash.UpdateNumber(options.samples.too_long ? 1 + Number(*options.samples.too_long) : 0);
  hash.UpdateNumber(Number(options.on_bad_line));
  hash.UpdateField(content);
  return hash.Digest();
}

}  // namespace tandem
