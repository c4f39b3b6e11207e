#include "loadtest/workload/yaml_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/base/near_match.h"
#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

std::string ValueText(const YAML::Node& node) {
  return node.IsScalar() ? Quoted(node.Scalar(), 60) : node.IsMap() ? "a map" : "a list";
}

}  // namespace

YamlFields::YamlFields(const YAML::Node& node, std::string where)
    : node_(node),
      where_(std::move(where)),
      problems_(std::make_shared<std::vector<std::string>>()) {
  if (!node_.IsMap()) AddProblemAt(node_, "must be a map of keys and values");
}

YamlFields::YamlFields(const YAML::Node& node, std::string prefix,
                       std::shared_ptr<std::vector<std::string>> problems)
    : node_(node), prefix_(std::move(prefix)), problems_(std::move(problems)) {
  if (!node_.IsMap()) AddProblemAt(node_, prefix_ + " must be a map of keys and values");
}

YAML::Node YamlFields::Find(const std::string& name) {
  known_.push_back(name);
  if (!node_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
  const YAML::Node found = std::as_const(node_)[name];
  return found && !found.IsNull() ? found : YAML::Node(YAML::NodeType::Undefined);
}

std::optional<double> YamlFields::Number(const std::string& name, Range range) {
  const YAML::Node found = Find(name);
  if (!found || found.IsNull()) return std::nullopt;
  double number = 0.0;
  const bool is_number = found.IsScalar() && YAML::convert<double>::decode(found, number);
  if (is_number && std::isfinite(number) && number >= range.min && number <= range.max) {
    return number;
  }
  AddProblem(name, fmt::format("is {}; it must be a number from {:g} to {:g}", ValueText(found),
                               range.min, range.max));
  return std::nullopt;
}

std::optional<int64_t> YamlFields::Int(const std::string& name, Range range) {
  const std::optional<double> number = Number(name, range);
  if (!number) return std::nullopt;
  if (std::trunc(*number) == *number) return static_cast<int64_t>(*number);
  AddProblem(name, fmt::format("is {:g}; it must be a whole number", *number));
  return std::nullopt;
}

std::optional<bool> YamlFields::Bool(const std::string& name) {
  const YAML::Node found = Find(name);
  if (!found || found.IsNull()) return std::nullopt;
  bool value = false;
  if (found.IsScalar() && YAML::convert<bool>::decode(found, value)) return value;
  AddProblem(name, "is " + ValueText(found) + "; it must be true or false");
  return std::nullopt;
}

std::optional<std::string> YamlFields::String(const std::string& name) {
  const YAML::Node found = Find(name);
  if (!found || found.IsNull()) return std::nullopt;
  if (found.IsScalar()) return found.Scalar();
  AddProblem(name, "is " + ValueText(found) + "; it must be a text");
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> YamlFields::Duration(const std::string& name) {
  const std::optional<std::string> text = String(name);
  if (!text) return std::nullopt;
  const auto duration = ParseDuration(*text);
  if (!duration) {
    AddProblem(name, "is " + Quoted(*text, 60) + "; it must be a duration such as 500ms, 30s, 2m");
  }
  return duration;
}

std::optional<YamlFields> YamlFields::Map(const std::string& name) {
  const YAML::Node found = Find(name);
  if (!found || found.IsNull()) return std::nullopt;
  return YamlFields(found, prefix_ + name + ".", problems_);
}

std::vector<YamlFields> YamlFields::Maps(const std::string& name) {
  std::vector<YamlFields> maps;
  const YAML::Node found = Find(name);
  if (!found || found.IsNull()) return maps;
  if (!found.IsSequence()) {
    AddProblem(name, "is " + ValueText(found) + "; it must be a list");
    return maps;
  }
  for (size_t i = 0; i < found.size(); ++i) {
    maps.push_back(YamlFields(found[i], fmt::format("{}{}[{}].", prefix_, name, i), problems_));
  }
  return maps;
}

std::optional<std::pair<int64_t, int64_t>> YamlFields::Pair(const std::string& name, Range range) {
  const YAML::Node found = Find(name);
  if (!found || found.IsNull()) return std::nullopt;
  std::pair<int64_t, int64_t> pair;
  if (found.IsSequence() && found.size() == 2 && found[0].IsScalar() && found[1].IsScalar() &&
      YAML::convert<int64_t>::decode(found[0], pair.first) &&
      YAML::convert<int64_t>::decode(found[1], pair.second) && pair.first <= pair.second &&
      static_cast<double>(pair.first) >= range.min &&
      static_cast<double>(pair.second) <= range.max) {
    return pair;
  }
  AddProblem(name, fmt::format("must be [least, most], whole numbers from {:g} to {:g}", range.min,
                               range.max));
  return std::nullopt;
}

void YamlFields::AddProblemAt(const YAML::Node& node, const std::string& what) {
  const int line = node.IsDefined() ? node.Mark().line + 1 : 0;
  problems_->push_back(line > 0 ? fmt::format("line {}: {}", line, what) : what);
}

void YamlFields::AddProblem(const std::string& name, const std::string& what) {
  const YAML::Node found =
      node_.IsMap() ? std::as_const(node_)[name] : YAML::Node(YAML::NodeType::Undefined);
  const std::string text = prefix_ + name + " " + what;
  if (found) {
    AddProblemAt(found, text);
  } else {
    AddProblemAt(node_, text);
  }
}

void YamlFields::AddWrongWord(const std::string& name, const std::string& word,
                              const std::vector<std::string>& words) {
  std::string known;
  for (const std::string& each : words) known += (known.empty() ? "" : ", ") + each;
  AddProblem(name, fmt::format("is {}; it must be one of {}{}", Quoted(word, 60), known,
                               DidYouMean(word, words)));
}

void YamlFields::RefuseOthers() {
  if (!node_.IsMap()) return;
  std::vector<std::string> seen;
  for (const auto& item : node_) {
    const std::string name = item.first.IsScalar() ? item.first.Scalar() : "";
    if (std::ranges::find(seen, name) != seen.end()) {
      AddProblemAt(item.first, prefix_ + Printable(name) + " is given twice");
    }
    seen.push_back(name);
    if (std::ranges::find(known_, name) != known_.end()) continue;
    AddProblemAt(item.first,
                 "unknown key " + prefix_ + Printable(name, 60) + DidYouMean(name, known_));
  }
}

void YamlFields::ThrowIfProblems() const {
  if (problems_->empty()) return;
  std::string text = where_ + ": ";
  for (size_t i = 0; i < problems_->size(); ++i) text += (i == 0 ? "" : "; ") + (*problems_)[i];
  throw FormatError(text);
}

}  // namespace tandem
