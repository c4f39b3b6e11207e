// Methods of strings that take them apart.

#include <algorithm>

#include "engine/text/jinja/characters.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/methods.h"
#include "engine/text/jinja/parameters.h"
#include "engine/text/jinja/text_operations.h"
#include "engine/text/unicode.h"

namespace tandem::jinja {
namespace {

using Pieces = std::vector<std::string_view>;

Value NewPieces(Budget& budget, const Pieces& pieces, ListKind kind = ListKind::kList) {
  std::vector<Value> items;
  budget.AllocateRepeated(static_cast<int64_t>(pieces.size()), sizeof(Text) + sizeof(Value));
  budget.Step(static_cast<int64_t>(pieces.size()));
  items.reserve(pieces.size());
  for (const std::string_view piece : pieces) items.push_back(Value::Of(std::string(piece)));
  return budget.NewList(std::move(items), kind);
}

// Words between white space. What is left when the count is reached stays one piece.
Pieces Words(std::string_view text, int64_t max) {
  Pieces words;
  text = Stripped(text, Side::kLeft);
  while (!text.empty()) {
    if (max >= 0 && static_cast<int64_t>(words.size()) >= max) {
      words.push_back(text);
      return words;
    }
    size_t end = 0;
    for (size_t at = 0; at < text.size();) {
      if (IsPythonSpace(NextCharacter(text, &at))) break;
      end = at;
    }
    words.push_back(text.substr(0, end));
    text = Stripped(text.substr(end), Side::kLeft);
  }
  return words;
}

// The same, counted from the end.
Pieces LastWords(std::string_view text, int64_t max) {
  Pieces words = Words(text, -1);
  if (max < 0 || static_cast<int64_t>(words.size()) <= max) return words;
  const size_t num_joined = words.size() - static_cast<size_t>(max);
  const std::string_view last = words[num_joined - 1];
  Pieces pieces = {text.substr(0, static_cast<size_t>(last.data() + last.size() - text.data()))};
  pieces.insert(pieces.end(), words.begin() + static_cast<std::ptrdiff_t>(num_joined), words.end());
  return pieces;
}

Pieces Parts(std::string_view text, std::string_view separator, int64_t max) {
  Pieces parts;
  size_t begin = 0;
  while (max < 0 || static_cast<int64_t>(parts.size()) < max) {
    const size_t found = FindText(text, separator, begin);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(begin, found - begin));
    begin = found + separator.size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

// Separators are found from the end; both texts are reversed for that.
Pieces LastParts(std::string_view text, std::string_view separator, int64_t max) {
  const std::string backwards(text.rbegin(), text.rend());
  const std::string wanted(separator.rbegin(), separator.rend());
  Pieces parts;
  for (const std::string_view part : Parts(backwards, wanted, max)) {
    const size_t end = text.size() - static_cast<size_t>(part.data() - backwards.data());
    parts.push_back(text.substr(end - part.size(), part.size()));
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

template <Side side>
Value Split(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "split", arguments, {"sep", "maxsplit"});
  const std::string& text = self.AsText();
  const int64_t max = parameters.Int(1, -1);
  in.budget().Scan(text.size());
  if (parameters[0] == nullptr || parameters[0]->IsNone()) {
    return NewPieces(in.budget(), side == Side::kLeft ? Words(text, max) : LastWords(text, max));
  }
  const std::string& separator = parameters.String(0);
  if (separator.empty()) in.budget().Fail("empty separator");
  return NewPieces(in.budget(), side == Side::kLeft ? Parts(text, separator, max)
                                                    : LastParts(text, separator, max));
}

Value SplitLines(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "splitlines", arguments, {"keepends"});
  in.budget().Scan(self.AsText().size());
  return NewPieces(
      in.budget(),
      Lines(self.AsText(), parameters.Bool(0, false) ? LineEnds::kKept : LineEnds::kDropped));
}

template <Side side>
Value Partition(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "partition", arguments, {"sep"}, 1);
  const std::string_view text = self.AsText();
  const std::string& separator = parameters.String(0);
  if (separator.empty()) in.budget().Fail("empty separator");
  in.budget().Scan(text.size());
  const size_t found =
      side == Side::kLeft ? FindText(text, separator) : FindLastText(text, separator);
  Pieces pieces;
  if (found != std::string_view::npos) {
    pieces = {text.substr(0, found), separator, text.substr(found + separator.size())};
  } else if (side == Side::kLeft) {
    pieces = {text, "", ""};
  } else {
    pieces = {"", "", text};
  }
  return NewPieces(in.budget(), pieces, ListKind::kTuple);
}

}  // namespace

const std::vector<NamedMethod>& TextSplittingMethods() {
  static const std::vector<NamedMethod> methods = {
      {"split", Split<Side::kLeft>},
      {"rsplit", Split<Side::kRight>},
      {"splitlines", SplitLines},
      {"partition", Partition<Side::kLeft>},
      {"rpartition", Partition<Side::kRight>},
  };
  return methods;
}

}  // namespace tandem::jinja
