#pragma once
// A file to learn from, and where its documents begin and end. A document is what becomes one
// sample, or some when it is split: a line of JSON, or a stretch of plain text. Pure functions over
// bytes that the caller keeps; any thread.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

enum class DataFormat : uint8_t {
  kAuto,           // by name (.jsonl, .json) and by the first good record; else plain text
  kTextRecords,    // a line: {"text": "..."}
  kConversations,  // a line: {"conversations": [{"role": ..., "content": ...}, ...]}
  kPlainText,
};

std::string_view Name(DataFormat format);

struct DataSource {
  std::filesystem::path path;
  DataFormat format = DataFormat::kAuto;
  // Plain text only: documents are separated by lines that are exactly this ("" is a blank line).
  // None: the whole file is one document.
  std::optional<std::string> separator = {};
};

// The source's format, or what kAuto finds. Throws FormatError when the first lines of a .json(l)
// file hold neither kind of record.
DataFormat ResolveFormat(const DataSource& source, std::string_view content);

// Without the byte order mark that some editors put at the front.
std::string_view WithoutByteOrderMark(std::string_view content);

struct SourceDocument {
  std::string_view text;  // without the line ends around it
  int64_t line = 1;       // where it begins, counted from 1
};

// Some whole documents: bytes [begin, end) of the content.
struct SourceBlock {
  size_t begin = 0;
  size_t end = 0;
  int64_t first_line = 1;
  int64_t num_lines = 0;
};

// How a content falls into documents. Immutable; borrows the content.
class DocumentSplit {
 public:
  // `format` is resolved.
  DocumentSplit(std::string_view content, DataFormat format, std::optional<std::string> separator);

  // Consecutive blocks of about `block_bytes` (more where a document is longer), the whole content.
  std::vector<SourceBlock> Blocks(size_t block_bytes) const;

  struct Documents {
    std::vector<SourceDocument> documents;
    int64_t num_blank = 0;  // blank lines between records; empty stretches between separators
  };
  Documents DocumentsIn(const SourceBlock& block) const;

 private:
  bool EndsDocument(std::string_view line) const;

  std::string_view content_;
  DataFormat format_;
  std::optional<std::string> separator_;
};

}  // namespace tandem
