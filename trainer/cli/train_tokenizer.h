#pragma once
// The knobs of `tandem-train tokenizer`, and the command.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/command_line.h"
#include "engine/base/settings.h"
#include "engine/text/known_pattern.h"
#include "trainer/tokenizer/corpus_reader.h"
#include "trainer/tokenizer/special_tokens.h"

namespace tandem {

struct TrainTokenizerOptions {
  std::vector<std::string> data;
  std::filesystem::path output;
  int64_t vocab_size = 6400;
  // The reference has 0. A token that was seen once is a token that is hardly trained.
  int64_t min_frequency = 2;
  KnownPattern pattern = KnownPattern::kGpt2;
  TokenPreset special_tokens = TokenPreset::kMiniMind;
  TextUnit text_unit = TextUnit::kLine;
  int64_t threads = 0;  // 0: as many as there are processors
  bool overwrite = false;
};

void AddTrainTokenizerSettings(Settings& settings, TrainTokenizerOptions& options);

int TrainTokenizer(const CommandLine& line);

}  // namespace tandem
