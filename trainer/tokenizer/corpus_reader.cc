#include "trainer/tokenizer/corpus_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "engine/base/json.h"
#include "engine/base/printable.h"
#include "engine/text/unicode.h"
#include "kernels/core/check.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr size_t kProbedBytes = 4096;

std::string_view TextOf(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

void RefuseBinary(const MappedFile& file) {
  if (TextOf(file).substr(0, kProbedBytes).find('\0') == std::string_view::npos) return;
  throw FormatError(Printable(file.path().string()) +
                    ": has zero bytes, so it is not text; unpack it first if it is compressed");
}

// What {"conversations": [...]} says, a line for each content.
std::string JoinContents(const Json& conversation) {
  std::string joined;
  for (const Json& message : conversation) {
    if (!message.is_object()) continue;
    const auto content = message.find("content");
    if (content == message.end() || !content->is_string()) continue;
    const auto& text = content->get_ref<const std::string&>();
    if (text.empty()) continue;
    if (!joined.empty()) joined += '\n';
    joined += text;
  }
  return joined;
}

// Nothing when the object has neither field.
std::optional<std::string> UnitOf(const Json& record) {
  if (!record.is_object()) return std::nullopt;
  if (const auto text = record.find("text"); text != record.end() && text->is_string()) {
    return text->get<std::string>();
  }
  if (const auto list = record.find("conversations"); list != record.end() && list->is_array()) {
    return JoinContents(*list);
  }
  return std::nullopt;
}

// "file:line" of a byte. Only for messages: it reads all that comes before.
std::string PlaceOf(const MappedFile& file, size_t position) {
  const std::string_view before = TextOf(file).substr(0, position);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  return Printable(file.path().string()) + ":" + std::to_string(line);
}

std::string ReadRecord(std::string_view line, const std::function<std::string()>& place) {
  Json record;
  try {
    record = ParseJson(line, "");
  } catch (const FormatError&) {
    record = ParseJson(line, place());  // the same error, now with its place
  }
  if (auto unit = UnitOf(record)) return std::move(*unit);
  throw FormatError(place() +
                    ": is not an object with a string \"text\" or a list \"conversations\"");
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

void VisitText(std::string_view text, const std::function<void(std::string_view)>& visit) {
  if (text.empty()) return;
  if (IsValidUtf8(text)) {
    visit(text);
  } else {
    visit(ReplaceInvalidUtf8(text));
  }
}

}  // namespace

CorpusReader::CorpusReader(const std::vector<std::filesystem::path>& paths, TextUnit text_unit,
                           size_t part_bytes)
    : text_unit_(text_unit) {
  CHECK(part_bytes > 0);
  for (const std::filesystem::path& path : paths) {
    MappedFile file(path);
    RefuseBinary(file);
    size_bytes_ += static_cast<int64_t>(file.bytes().size());
    files_.push_back({std::move(file), path.extension() == ".jsonl"});
    AddParts(files_.size() - 1, part_bytes);
  }
}

void CorpusReader::AddParts(size_t file, size_t part_bytes) {
  const std::string_view text = TextOf(files_[file].mapped);
  if (!files_[file].is_json_lines && text_unit_ == TextUnit::kFile) part_bytes = text.size();
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.size();
    if (end - begin > part_bytes) {
      const size_t newline = text.find('\n', begin + part_bytes - 1);
      if (newline != std::string_view::npos) end = newline + 1;
    }
    parts_.push_back({file, begin, end});
    begin = end;
  }
}

void CorpusReader::ForEachUnit(const Part& part,
                               const std::function<void(std::string_view)>& visit) const {
  const File& file = files_[part.file];
  const std::string_view text = TextOf(file.mapped);
  if (!file.is_json_lines && text_unit_ == TextUnit::kFile) {
    VisitText(text.substr(part.begin, part.end - part.begin), visit);
    return;
  }
  for (size_t begin = part.begin; begin < part.end;) {
    const size_t end = std::min(text.find('\n', begin), part.end - 1) + 1;
    const std::string_view line = text.substr(begin, end - begin);
    if (!file.is_json_lines) {
      VisitText(line, visit);
    } else if (!IsBlank(line)) {
      VisitText(ReadRecord(line, [&] { return PlaceOf(file.mapped, begin); }), visit);
    }
    begin = end;
  }
}

void CorpusReader::Forget(const Part& part) const {
  files_[part.file].mapped.Forget(part.begin, part.end - part.begin);
}

}  // namespace tandem
