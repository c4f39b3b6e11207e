#pragma once
// Speed of a tokenizer on texts of the caller and on hostile ones; and its ids, written for
// tests/golden/compare_tokenizers.py to compare.

#include <filesystem>
#include <vector>

namespace tandem {

struct TokenizeBenchOptions {
  std::filesystem::path model;               // a directory that LoadTokenizer reads
  std::vector<std::filesystem::path> texts;  // files; each is one text
  int num_threads = 1;                       // each encodes and decodes every text
  int repeats = 5;                           // the median is printed
};

// Print one table to stdout; throw FormatError when a file is broken.
void RunTokenizeBench(const TokenizeBenchOptions& options);
// Texts made to be slow, in two sizes: time for each byte should hardly grow with the size. Needs
// no text of the caller.
void RunHostileTextBench(const TokenizeBenchOptions& options);

// Writes for text i its ids to <directory>/i.ids, one a line, and the streamed text of those,
// special tokens included, to <directory>/i.txt. FormatError also when some split of the stream
// gives other text than the tokens' bytes do.
void WriteTokenIds(const TokenizeBenchOptions& options, const std::filesystem::path& directory);

}  // namespace tandem
