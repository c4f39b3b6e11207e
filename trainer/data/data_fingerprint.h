#pragma once
// What a shard was made from, as one number: another tokenizer, template, source file or option
// gives another. Pure but for reading files; any thread.

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "trainer/data/data_source.h"
#include "trainer/data/shard_builder.h"

namespace tandem {

// Of the files that a tokenizer is loaded from.
uint64_t FingerprintTokenizer(const std::filesystem::path& directory);

// `format` is resolved; `content` is the source's.
uint64_t FingerprintShard(const DataInputs& inputs, const DataSource& source, DataFormat format,
                          std::string_view content, const ShardOptions& options);

}  // namespace tandem
