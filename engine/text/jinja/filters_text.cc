// Filters that make text.

#include <algorithm>

#include "engine/text/jinja/arithmetic.h"
#include "engine/text/jinja/characters.h"
#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/filters.h"
#include "engine/text/jinja/format.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/parameters.h"
#include "engine/text/jinja/text.h"
#include "engine/text/jinja/text_operations.h"
#include "engine/text/unicode.h"

namespace tandem::jinja {
namespace {

template <std::string (*change)(std::string_view)>
Value Change(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "upper", arguments, {});
  const std::string text = ToText(in.budget(), input);
  in.budget().Scan(text.size());
  return in.budget().NewText(change(text));
}

// Words begin behind white space, hyphens and opening brackets, not behind apostrophes.
std::string Title(std::string_view text) {
  std::string out;
  bool begins_word = true;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = NextCharacter(text, &at);
    const std::string_view piece = text.substr(begin, at - begin);
    const bool separates = IsPythonSpace(character) || character == U'-' || character == U'(' ||
                           character == U'{' || character == U'[' || character == U'<';
    out += separates ? std::string(piece) : begins_word ? Upper(piece) : Lower(piece);
    begins_word = separates;
  }
  return out;
}

Value Trim(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "trim", arguments, {"chars"});
  const std::string text = ToText(in.budget(), input);
  const bool has_set = parameters[0] != nullptr && !parameters[0]->IsNone();
  return in.budget().NewText(std::string(has_set ? Stripped(text, Side::kBoth, parameters.String(0))
                                                 : Stripped(text, Side::kBoth)));
}

Value Replace(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "replace", arguments, {"old", "new", "count"}, 2);
  const std::string text = ToText(in.budget(), input);
  return in.budget().NewText(Replaced(in.budget(), text,
                                      {.old_part = parameters.Text(0, ""),
                                       .new_part = parameters.Text(1, ""),
                                       .count = parameters.Int(2, -1)}));
}

Value String(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "string", arguments, {});
  return input.IsText() ? input : in.budget().NewText(ToText(in.budget(), input));
}

Value Escape(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "escape", arguments, {});
  if (input.IsText() && input.text().is_markup) return input;
  const std::string escaped = EscapedHtml(ToText(in.budget(), input));
  in.budget().Allocate(escaped.size());
  return Value::Markup(escaped);
}

Value ForceEscape(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "forceescape", arguments, {});
  const std::string escaped = EscapedHtml(ToText(in.budget(), input));
  in.budget().Allocate(escaped.size());
  return Value::Markup(escaped);
}

Value Safe(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "safe", arguments, {});
  return Value::Markup(ToText(in.budget(), input));
}

Value Indent(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "indent", arguments, {"width", "first", "blank"});
  if (!input.IsText()) budget.Fail("indent wants a string, got '" + input.TypeName() + "'");
  std::string indention;
  if (parameters[0] != nullptr && parameters[0]->IsText()) {
    indention = parameters[0]->AsText();
  } else {
    const int64_t width = parameters.Int(0, 4);
    budget.AllocateRepeated(width, 1);
    indention.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  const bool indents_blank = parameters.Bool(2, false);
  const std::string text = input.AsText() + "\n";
  std::string out = parameters.Bool(1, false) ? indention : "";
  bool first = true;
  for (const std::string_view line : Lines(text, LineEnds::kDropped)) {
    budget.Step();
    budget.Allocate(line.size() + indention.size() + 1);
    if (!first) out += '\n';
    if (!first && (indents_blank || !line.empty())) out += indention;
    out += line;
    first = false;
  }
  return budget.NewText(std::move(out));
}

Value Truncate(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "truncate", arguments,
                              {"length", "killwords", "end", "leeway"});
  const std::string end = parameters.Text(2, "...");
  const int64_t length = parameters.Int(0, 255);
  const int64_t num_end = Value::Of(end).text().NumCharacters();
  if (length < num_end) budget.Fail("truncate wants a length of at least that of its end");
  if (parameters.Int(3, 5) < 0) budget.Fail("truncate wants a leeway of at least 0");
  if (Length(budget, input) - parameters.Int(3, 5) <= length) return input;
  if (!input.IsText()) budget.Fail("truncate wants a string, got '" + input.TypeName() + "'");
  std::string_view kept = Characters(input.text(), 0, length - num_end);
  if (!parameters.Bool(1, false)) {
    const size_t space = kept.rfind(' ');
    if (space != kept.npos) kept = kept.substr(0, space);
  }
  return budget.NewText(std::string(kept) + end);
}

Value Center(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "center", arguments, {"width"});
  const Value text = Value::Of(ToText(in.budget(), input));
  return in.budget().NewText(
      Justified(in.budget(), text.text(), parameters.Int(0, 80), " ", Side::kBoth));
}

Value WordCount(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "wordcount", arguments, {});
  const std::string text = ToText(in.budget(), input);
  int64_t count = 0;
  bool in_word = false;
  for (size_t at = 0; at < text.size();) {
    const bool is_word = IsWordCharacter(NextCharacter(text, &at));
    count += is_word && !in_word;
    in_word = is_word;
  }
  return Value::Of(count);
}

Value Format(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    budget.Fail("format takes positional or named arguments, not both");
  }
  const std::string form = ToText(budget, input);
  if (arguments.named.empty()) {
    const Value operands = budget.NewList(std::move(arguments.positional), ListKind::kTuple);
    return budget.NewText(FormatPercent(budget, form, operands));
  }
  Dict named;
  for (auto& [name, value] : arguments.named) named.Set(name, std::move(value));
  return budget.NewText(FormatPercent(budget, form, Value::Of(std::move(named))));
}

void AppendUrlQuoted(std::string_view text, std::string_view also_safe, std::string* out) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    const bool is_safe = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                         (c >= 'A' && c <= 'Z') || std::string_view("_.-~").find(c) != text.npos ||
                         also_safe.find(c) != also_safe.npos;
    if (is_safe) {
      *out += c;
    } else if (c == ' ' && also_safe.empty()) {
      *out += '+';  // in the parts of a query
    } else {
      const auto byte = static_cast<unsigned char>(c);
      *out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
}

Value UrlEncode(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "urlencode", arguments, {});
  std::string out;
  if (!input.IsDict() && (input.IsText() || !IsIterable(input))) {
    AppendUrlQuoted(ToText(budget, input), "/", &out);
    return budget.NewText(std::move(out));
  }
  const auto append = [&](const Value& key, const Value& value) {
    if (!out.empty()) out += '&';
    AppendUrlQuoted(ToText(budget, key), "", &out);
    out += '=';
    AppendUrlQuoted(ToText(budget, value), "", &out);
  };
  if (input.IsDict()) {
    for (const auto& [key, value] : input.dict().entries()) append(key, value);
    return budget.NewText(std::move(out));
  }
  const std::shared_ptr<const List> item_list = Elements(budget, input);
  for (const Value& item : item_list->items) {
    const auto pair = Elements(budget, item);
    if (pair->items.size() != 2) budget.Fail("urlencode wants pairs");
    append(pair->items[0], pair->items[1]);
  }
  return budget.NewText(std::move(out));
}

Value Json(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "tojson", arguments,
                              {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonForm form;
  form.ascii_only = parameters.Bool(0, false);
  if (parameters[1] != nullptr && !parameters[1]->IsNone()) {
    form.item_separator = ",";
    if (parameters[1]->IsText()) {
      form.indent = parameters[1]->AsText();
    } else {
      const int64_t width = parameters.Int(1, 0);
      budget.AllocateRepeated(width, 1);
      form.indent = std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
    }
  }
  if (parameters[2] != nullptr && !parameters[2]->IsNone()) {
    const auto pair = Elements(budget, *parameters[2]);
    if (pair->items.size() != 2 || !pair->items[0].IsText() || !pair->items[1].IsText()) {
      budget.Fail("tojson wants two separators");
    }
    form.item_separator = pair->items[0].AsText();
    form.key_separator = pair->items[1].AsText();
  }
  form.sort_keys = parameters.Bool(3, false);
  return budget.NewText(ToJson(budget, input, form));
}

}  // namespace

const std::vector<NamedFilter>& TextFilters() {
  static const std::vector<NamedFilter> filters = {
      {"upper", Change<Upper>},
      {"lower", Change<Lower>},
      {"title", Change<Title>},
      {"capitalize", Change<Capitalized>},
      {"trim", Trim},
      {"replace", Replace},
      {"string", String},
      {"escape", Escape},
      {"e", Escape},
      {"forceescape", ForceEscape},
      {"safe", Safe},
      {"indent", Indent},
      {"truncate", Truncate},
      {"center", Center},
      {"wordcount", WordCount},
      {"format", Format},
      {"urlencode", UrlEncode},
      {"tojson", Json},
  };
  return filters;
}

}  // namespace tandem::jinja
