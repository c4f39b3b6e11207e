#include "trainer/data/data_source.h"

#include <algorithm>
#include <utility>

#include "engine/text/jinja/json_value.h"
#include "kernels/core/check.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr std::string_view kLineEnds = "\r\n";
constexpr std::string_view kBlank = " \t\r\n";
constexpr int kLinesLookedAt = 100;  // to find the format

// The line at `begin`, its end included.
std::string_view LineAt(std::string_view content, size_t begin) {
  const size_t end = content.find('\n', begin);
  return content.substr(begin, end == content.npos ? content.npos : end + 1 - begin);
}

std::string_view WithoutLineEnd(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool IsBlank(std::string_view text) { return text.find_first_not_of(kBlank) == text.npos; }

// The lines [begin, end) as a document, without the blank lines around them.
SourceDocument Stretch(std::string_view text, int64_t first_line) {
  const size_t first = text.find_first_not_of(kLineEnds);
  if (first == text.npos) return {.text = {}, .line = first_line};
  const auto skipped = text.substr(0, first);
  const size_t last = text.find_last_not_of(kLineEnds);
  return {.text = text.substr(first, last + 1 - first),
          .line = first_line + std::count(skipped.begin(), skipped.end(), '\n')};
}

// The form of one record, if it has one.
std::optional<DataFormat> FormatOf(std::string_view line) {
  try {
    const jinja::Value record = jinja::ParseValue(line, "record");
    if (!record.IsDict()) return std::nullopt;
    if (record.dict().Find("conversations") != nullptr) return DataFormat::kConversations;
    if (record.dict().Find("text") != nullptr) return DataFormat::kTextRecords;
  } catch (const FormatError&) {
    // Another line may tell; this one will be reported when the file is read.
  }
  return std::nullopt;
}

}  // namespace

std::string_view Name(DataFormat format) {
  switch (format) {
    case DataFormat::kAuto:
      return "auto";
    case DataFormat::kTextRecords:
      return "text records";
    case DataFormat::kConversations:
      return "conversations";
    case DataFormat::kPlainText:
      return "plain text";
  }
  return "";
}

DataFormat ResolveFormat(const DataSource& source, std::string_view content) {
  if (source.format != DataFormat::kAuto) return source.format;
  const std::string extension = source.path.extension().string();
  if (extension != ".jsonl" && extension != ".json") return DataFormat::kPlainText;
  content = WithoutByteOrderMark(content);
  for (int num_lines = 0; num_lines < kLinesLookedAt && !content.empty(); ++num_lines) {
    const std::string_view line = LineAt(content, 0);
    if (const auto format = FormatOf(WithoutLineEnd(line))) return *format;
    content.remove_prefix(line.size());
  }
  throw FormatError(source.path.string() +
                    ": its first lines hold neither {\"text\": ...} nor {\"conversations\": ...}; "
                    "each line must be one JSON object");
}

std::string_view WithoutByteOrderMark(std::string_view content) {
  if (content.starts_with("\xEF\xBB\xBF")) content.remove_prefix(3);
  return content;
}

DocumentSplit::DocumentSplit(std::string_view content, DataFormat format,
                             std::optional<std::string> separator)
    : content_(content), format_(format), separator_(std::move(separator)) {
  CHECK(format != DataFormat::kAuto);
}

bool DocumentSplit::EndsDocument(std::string_view line) const {
  if (format_ != DataFormat::kPlainText) return true;
  return separator_.has_value() && WithoutLineEnd(line) == *separator_;
}

std::vector<SourceBlock> DocumentSplit::Blocks(size_t block_bytes) const {
  std::vector<SourceBlock> blocks;
  SourceBlock block;
  while (block.end < content_.size()) {
    const std::string_view line = LineAt(content_, block.end);
    block.end += line.size();
    ++block.num_lines;
    const bool is_full = block.end - block.begin >= block_bytes && EndsDocument(line);
    if (!is_full && block.end < content_.size()) continue;
    blocks.push_back(block);
    block = {
        .begin = block.end, .end = block.end, .first_line = block.first_line + block.num_lines};
  }
  return blocks;
}

DocumentSplit::Documents DocumentSplit::DocumentsIn(const SourceBlock& block) const {
  Documents result;
  const auto add = [&](const SourceDocument& document) {
    if (IsBlank(document.text) && (format_ != DataFormat::kPlainText || separator_)) {
      ++result.num_blank;
    } else {
      result.documents.push_back(document);
    }
  };
  const std::string_view text = content_.substr(0, block.end);
  size_t begin = block.begin;  // of the document that is being read
  int64_t begin_line = block.first_line;
  int64_t line_number = block.first_line;
  for (size_t at = block.begin; at < text.size(); ++line_number) {
    const std::string_view line = LineAt(text, at);
    at += line.size();
    if (format_ != DataFormat::kPlainText) {
      add({.text = WithoutLineEnd(line), .line = line_number});
    } else if (EndsDocument(line)) {
      add(Stretch(text.substr(begin, at - line.size() - begin), begin_line));
      begin = at;
      begin_line = line_number + 1;
    }
  }
  if (format_ == DataFormat::kPlainText && begin < text.size()) {
    add(Stretch(text.substr(begin), begin_line));
  }
  return result;
}

}  // namespace tandem
