#pragma once
// The texts that a tokenizer learns from, one unit at a time: words never reach over the end of a
// unit. A file named *.jsonl has an object a line, {"text": ...} or {"conversations": [{"content":
// ...}, ...]}; of a conversation the unit is every content that is not empty, joined by "\n", as in
// MiniMind's train_tokenizer.py. Every other file is plain text. Files stay mapped while the object
// lives. Immutable; any thread may read.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/base/mapped_file.h"

namespace tandem {

// A unit of plain text.
enum class TextUnit : uint8_t {
  kLine,  // with its line end: what Hugging Face's Tokenizer.train(files) takes
  kFile,  // the whole file: line ends may become parts of longer words
};

class CorpusReader {
 public:
  // Some lines of one file, or all of it: what one thread reads at a time.
  struct Part {
    size_t file = 0;
    size_t begin = 0;
    size_t end = 0;
  };

  // Throws FormatError when a file cannot be read or is not text.
  CorpusReader(const std::vector<std::filesystem::path>& paths, TextUnit text_unit,
               size_t part_bytes = size_t{1} << 20);

  std::span<const Part> parts() const { return parts_; }
  int64_t size_bytes() const { return size_bytes_; }

  // Hands over every unit of a part in order, as valid UTF-8 (what is invalid became U+FFFD).
  // Throws FormatError, with file and line, when a line is not as it should be.
  void ForEachUnit(const Part& part, const std::function<void(std::string_view)>& visit) const;
  // The part was read and will not be again: its pages may be dropped.
  void Forget(const Part& part) const;

 private:
  struct File {
    MappedFile mapped;
    bool is_json_lines = false;
  };
  void AddParts(size_t file, size_t part_bytes);

  TextUnit text_unit_;
  std::vector<File> files_;
  std::vector<Part> parts_;
  int64_t size_bytes_ = 0;
};

}  // namespace tandem
