#pragma once
// The checkout as the tests of this folder see it: its source files and their lines, and the code
// of a file without comments and literals. Findings are "file:line: what is wrong".

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

struct SourceFile {
  std::string path;  // from the root of the checkout, with '/'
  std::string text;

  bool IsHeader() const { return path.ends_with(".h") || path.ends_with(".cuh"); }
  bool IsUnder(std::string_view folder) const {
    return path.starts_with(std::string(folder) + "/");
  }
};

inline std::vector<std::string> SplitLines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline std::string Finding(const std::string& path, size_t line_index, const std::string& what) {
  return path + ":" + std::to_string(line_index + 1) + ": " + what;
}

inline std::string ReadText(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// C++ and CUDA files of the named top folders, sorted by path.
inline std::vector<SourceFile> ReadSources(const std::vector<std::string>& folders) {
  const std::filesystem::path root = TANDEM_SOURCE_DIR;
  const std::set<std::string> extensions = {".h", ".cc", ".cu", ".cuh"};
  std::vector<SourceFile> files;
  for (const std::string& folder : folders) {
    if (!std::filesystem::is_directory(root / folder)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file() || !extensions.contains(entry.path().extension())) continue;
      files.push_back({.path = entry.path().lexically_relative(root).generic_string(),
                       .text = ReadText(entry.path())});
    }
  }
  std::ranges::sort(files, {}, &SourceFile::path);
  return files;
}

inline const std::vector<std::string>& ProgramFolders() {
  static const std::vector<std::string> folders = {"kernels", "engine",  "scheduler",
                                                   "api",     "trainer", "loadtest"};
  return folders;
}

inline bool IsWordCharacter(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The text with comments, string and character literals blanked out; line breaks stay.
inline std::string CodeOnly(const std::string& text) {
  std::string code = text;
  const auto blank = [&code](size_t begin, size_t end) {
    end = std::min(end, code.size());
    for (size_t i = begin; i < end; ++i) {
      if (code[i] != '\n') code[i] = ' ';
    }
    return end;
  };
  const auto end_of_quoted = [&text](size_t begin) {
    size_t i = begin + 1;
    while (i < text.size() && text[i] != text[begin] && text[i] != '\n') {
      i += text[i] == '\\' ? 2 : 1;
    }
    return i + 1;
  };
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = std::string_view(text).substr(i);
    const bool after_word = i > 0 && IsWordCharacter(text[i - 1]);
    if (rest.starts_with("//")) {
      i = blank(i, text.find('\n', i));
    } else if (rest.starts_with("/*")) {
      i = blank(i, std::min(text.find("*/", i), text.size()) + 2);
    } else if (rest.starts_with("R\"") && !after_word) {
      const std::string delimiter(rest.substr(2, rest.find('(') - 2));
      i = blank(i,
                std::min(text.find(")" + delimiter + "\"", i), text.size()) + delimiter.size() + 2);
    } else if (rest.front() == '"' || (rest.front() == '\'' && !after_word)) {  // 1'000 is a number
      i = blank(i, end_of_quoted(i));
    } else {
      ++i;
    }
  }
  return code;
}

// Whether `word` stands in `line` on its own, not as a part of a longer name.
inline bool HasWord(std::string_view line, std::string_view word) {
  for (size_t at = line.find(word); at != line.npos; at = line.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool starts = at == 0 || !IsWordCharacter(line[at - 1]);
    const bool ends = end >= line.size() || !IsWordCharacter(line[end]);
    if (starts && ends) return true;
  }
  return false;
}

inline std::string Joined(const std::vector<std::string>& findings) {
  std::string all;
  for (const std::string& finding : findings) all += "\n  " + finding;
  return all;
}

}  // namespace tandem
