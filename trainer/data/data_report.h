#pragma once
// What a file of training data holds, and everything that is wrong with it. Nothing is cut or left
// out without being counted here. A plain value.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tandem {

struct BadLine {
  int64_t line = 0;  // from 1; of plain text, where the document begins
  std::string reason;
};

struct DuplicateLine {
  int64_t line = 0;
  int64_t first_line = 0;  // of the same document
};

// Of a whole file; a shard keeps these.
struct DataCounts {
  uint64_t num_lines = 0;
  uint64_t num_blank = 0;      // blank lines, or empty stretches between separators: skipped
  uint64_t num_documents = 0;  // good ones
  uint64_t num_bad = 0;
  uint64_t num_duplicates = 0;  // good documents that were there before; they are kept
  uint64_t num_cut = 0;         // good documents that lost their end
  uint64_t num_cut_tokens = 0;
  uint64_t num_split = 0;  // good documents that became several samples
  bool operator==(const DataCounts&) const = default;
};

struct DataReport {
  std::filesystem::path path;
  DataCounts counts;
  uint64_t num_samples = 0;
  uint64_t num_tokens = 0;
  uint64_t num_targets = 0;               // tokens that are learned
  std::vector<BadLine> bad_lines;         // every one, ascending
  std::vector<DuplicateLine> duplicates;  // every one, ascending
};

// One line for a log or a terminal: "12 documents, 12 samples, 3,456 tokens (...); 2 bad lines".
std::string Summary(const DataReport& report);

// "<path>:<line>: <reason>" for each bad line and duplicate, at most `max_lines` of them and then
// how many more there are. Each line ends with a line end.
std::string ListProblems(const DataReport& report, size_t max_lines = SIZE_MAX);

// What a shard's or a set's documents are known by.
struct DocumentKey {
  uint64_t content_hash = 0;
  int64_t line = 0;
};

// Ascending by line. Documents are the same when their 64-bit hashes are.
std::vector<DuplicateLine> FindDuplicates(std::vector<DocumentKey> documents);
// The documents of `held_out` that are in `train` too: line in held_out, first line in train.
std::vector<DuplicateLine> FindShared(std::vector<DocumentKey> train,
                                      std::vector<DocumentKey> held_out);

}  // namespace tandem
