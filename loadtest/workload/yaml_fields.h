#pragma once
// Reads the keys of one map in a YAML document and collects every problem, with its line, before it
// throws: wrong types and ranges, and keys that nobody asked for. The counterpart of JsonFields for
// what people write. For .cc files; used by one thread while a file is read.

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tandem {

class YamlFields {
 public:
  struct Range {
    double min = 0.0;
    double max = 1e15;
  };

  // `where` names the file.
  YamlFields(const YAML::Node& node, std::string where);

  // Invalid when absent; marks the key as known.
  YAML::Node Find(const std::string& name);
  bool Has(const std::string& name) { return static_cast<bool>(Find(name)); }
  std::optional<int64_t> Int(const std::string& name, Range range);
  std::optional<double> Number(const std::string& name, Range range);
  std::optional<bool> Bool(const std::string& name);
  std::optional<std::string> String(const std::string& name);
  std::optional<std::chrono::milliseconds> Duration(const std::string& name);
  std::optional<YamlFields> Map(const std::string& name);
  std::vector<YamlFields> Maps(const std::string& name);  // of a list
  // A pair "[a, b]" of whole numbers with a <= b.
  std::optional<std::pair<int64_t, int64_t>> Pair(const std::string& name, Range range);
  template <typename Enum>
  std::optional<Enum> Choice(const std::string& name,
                             const std::vector<std::pair<std::string, Enum>>& choices) {
    const std::optional<std::string> word = String(name);
    if (!word) return std::nullopt;
    std::vector<std::string> words;
    for (const auto& [known, value] : choices) {
      if (known == *word) return value;
      words.push_back(known);
    }
    AddWrongWord(name, *word, words);
    return std::nullopt;
  }

  void AddProblem(const std::string& name, const std::string& what);
  // Call when all known keys were asked for: the others become problems.
  void RefuseOthers();
  // FormatError "<where>: line 3: rate must be ...; line 7: ...".
  void ThrowIfProblems() const;

 private:
  YamlFields(const YAML::Node& node, std::string prefix,
             std::shared_ptr<std::vector<std::string>> problems);
  void AddProblemAt(const YAML::Node& node, const std::string& what);
  void AddWrongWord(const std::string& name, const std::string& word,
                    const std::vector<std::string>& words);

  YAML::Node node_;
  std::string where_;
  std::string prefix_;
  std::vector<std::string> known_;
  std::shared_ptr<std::vector<std::string>> problems_;  // shared with inner maps
};

}  // namespace tandem
