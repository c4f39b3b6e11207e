#include "engine/text/jinja/format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "engine/text/jinja/attributes.h"
#include "engine/text/jinja/characters.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/text.h"
#include "engine/text/unicode.h"

namespace tandem::jinja {
namespace {

constexpr int64_t kMaxPrecision = 500;
constexpr int64_t kMaxNumber = 1'000'000'000;

struct Spec {
  std::string fill = " ";
  char align = 0;  // < > ^ =
  char sign = '-';
  bool alternate = false;
  char grouping = 0;  // , or _
  int64_t width = 0;
  int64_t precision = -1;
  char type = 0;
};

bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }

// The number at `*at`, if there is one; moves behind it.
int64_t ReadNumber(std::string_view text, size_t* at, int64_t otherwise) {
  if (*at >= text.size() || !IsAsciiDigit(text[*at])) return otherwise;
  int64_t number = 0;
  for (; *at < text.size() && IsAsciiDigit(text[*at]); ++*at) {
    number = std::min(number * 10 + (text[*at] - '0'), kMaxNumber);
  }
  return number;
}

std::string Grouped(const std::string& digits, char separator) {
  const size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
  std::string out;
  for (size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % 3 == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(whole);
}

std::string Padded(Budget& budget, const std::string& sign, const std::string& body,
                   const Spec& spec, char default_align) {
  const int64_t length = Value::Of(sign + body).text().NumCharacters();
  const int64_t missing = spec.width - length;
  if (missing <= 0) return sign + body;
  budget.AllocateRepeated(missing, spec.fill.size());
  const auto fill = [&spec](int64_t count) {
    std::string text;
    for (int64_t i = 0; i < count; ++i) text += spec.fill;
    return text;
  };
  switch (spec.align == 0 ? default_align : spec.align) {
    case '<':
      return sign + body + fill(missing);
    case '^':
      return fill(missing / 2) + sign + body + fill(missing - missing / 2);
    case '=':
      return sign + fill(missing) + body;
    default:
      return fill(missing) + sign + body;
  }
}

std::string SignOf(bool negative, const Spec& spec) {
  if (negative) return "-";
  return spec.sign == '-' ? "" : std::string(1, spec.sign);
}

std::string FormatInteger(Budget& budget, int64_t value, const Spec& spec) {
  const uint64_t magnitude =
      value < 0 ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  const char type = spec.type == 0 ? 'd' : spec.type;
  const int base = type == 'b' ? 2 : type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
  char buffer[72];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), magnitude, base).ptr;
  std::string digits(buffer, end);
  if (type == 'X') digits = Upper(digits);
  if (spec.precision > static_cast<int64_t>(digits.size())) {
    digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
  }
  if (spec.grouping != 0) digits = Grouped(digits, spec.grouping);
  std::string sign = SignOf(value < 0, spec);
  if (spec.alternate && base != 10) sign += std::string("0") + type;
  return Padded(budget, sign, digits, spec, '>');
}

// 'g' where the form is the shortest that reads back, as format(1.5, '') has it.
std::string FormatDouble(Budget& budget, double value, const Spec& spec) {
  std::string digits;
  const double magnitude = std::fabs(value);
  if (std::isnan(value) || std::isinf(value)) {
    digits = std::isnan(value) ? "nan" : "inf";
  } else if (spec.type == 0 && spec.precision < 0) {
    digits = DoubleRepr(magnitude);
  } else {
    const bool percent = spec.type == '%';
    const char type = percent ? 'f' : spec.type == 0 ? 'g' : spec.type == 'n' ? 'g' : spec.type;
    const char form[] = {'%', '.', '*', type, 0};
    const char alternate_form[] = {'%', '#', '.', '*', type, 0};
    const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
    std::string buffer(static_cast<size_t>(precision) + 340, '\0');
    const int size =
        std::snprintf(buffer.data(), buffer.size(), spec.alternate ? alternate_form : form,
                      precision, percent ? magnitude * 100 : magnitude);
    digits = buffer.substr(0, static_cast<size_t>(std::max(size, 0)));
    if (spec.type == 0 && digits.find_first_of(".e") == digits.npos) digits += ".0";
    if (percent) digits += '%';
  }
  if (spec.grouping != 0) digits = Grouped(digits, spec.grouping);
  return Padded(budget, SignOf(std::signbit(value) && !std::isnan(value), spec), digits, spec, '>');
}

std::string FormatText(Budget& budget, const std::string& text, const Spec& spec,
                       char default_align) {
  const Value value = Value::Of(text);
  if (spec.precision < 0) return Padded(budget, "", text, spec, default_align);
  return Padded(budget, "", std::string(Characters(value.text(), 0, spec.precision)), spec,
                default_align);
}

Spec ParseSpec(Budget& budget, std::string_view text) {
  Spec spec;
  size_t at = 0;
  if (!text.empty()) {
    NextCharacter(text, &at);
    const std::string_view aligns = "<>^=";
    if (at < text.size() && aligns.find(text[at]) != aligns.npos) {
      spec.fill = std::string(text.substr(0, at));
      spec.align = text[at++];
    } else {
      at = 0;
      if (aligns.find(text[0]) != aligns.npos) spec.align = text[at++];
    }
  }
  const auto take = [&](std::string_view set) {
    return at < text.size() && set.find(text[at]) != set.npos ? text[at++] : '\0';
  };
  if (const char sign = take("+- ")) spec.sign = sign;
  spec.alternate = take("#") != 0;
  if (take("0") != 0) {
    if (spec.align == 0) {
      spec.fill = "0";
      spec.align = '=';
    }
  }
  spec.width = ReadNumber(text, &at, 0);
  spec.grouping = take(",_");
  if (take(".") != 0) {
    spec.precision = ReadNumber(text, &at, -1);
    if (spec.precision < 0) budget.Fail("format specifier missing precision");
  }
  spec.type = take("bcdeEfFgGnosxX%");
  if (at != text.size()) budget.Fail("invalid format specifier '" + std::string(text) + "'");
  return spec;
}

void CheckPrecision(Budget& budget, int64_t precision) {
  if (precision > kMaxPrecision) {
    budget.Fail("a precision of " + std::to_string(precision) + " exceeds the limit of " +
                std::to_string(kMaxPrecision));
  }
}

// One walk over '%...' and its arguments.
class PercentFormatter {
 public:
  PercentFormatter(Budget& budget, std::string_view form, const Value& operand)
      : budget_(budget), form_(form), operand_(operand) {
    is_tuple_ = operand.IsList(ListKind::kTuple) || operand.IsList(ListKind::kGroup);
  }

  std::string Run() {
    while (at_ < form_.size()) {
      const size_t percent = std::min(form_.find('%', at_), form_.size());
      budget_.Allocate(percent - at_);
      out_ += form_.substr(at_, percent - at_);
      at_ = percent + 1;
      if (percent < form_.size()) Conversion();
    }
    const bool all_used = is_tuple_ ? next_ >= operand_.list().items.size() : next_ > 0;
    if (!all_used && !operand_.IsDict() && !operand_.IsUndefined() &&
        !(operand_.IsList() && !is_tuple_)) {
      budget_.Fail("not all arguments converted during string formatting");
    }
    return std::move(out_);
  }

 private:
  const Value& NextArgument() {
    const size_t index = next_++;
    if (is_tuple_ && index < operand_.list().items.size()) return operand_.list().items[index];
    if (is_tuple_ || index > 0) budget_.Fail("not enough arguments for format string");
    return operand_;
  }

  const Value& NamedArgument() {
    const size_t close = form_.find(')', at_);
    if (close == form_.npos) budget_.Fail("incomplete format key");
    const std::string_view name = form_.substr(at_, close - at_);
    at_ = close + 1;
    if (!operand_.IsDict()) budget_.Fail("format requires a mapping");
    const Value* value = operand_.dict().Find(name);
    if (value == nullptr)
      budget_.Fail("the format names the unknown key '" + std::string(name) + "'");
    return *value;
  }

  int64_t Number(int64_t otherwise) {
    if (at_ < form_.size() && form_[at_] == '*') {
      ++at_;
      const Value& value = NextArgument();
      if (!value.IsIntegral()) budget_.Fail("* wants int");
      return std::clamp(value.AsInt(), -kMaxNumber, kMaxNumber);
    }
    return ReadNumber(form_, &at_, otherwise);
  }

  void Conversion();
  void Convert(char type, const Value& value, Spec* spec);

  Budget& budget_;
  std::string_view form_;
  const Value& operand_;
  bool is_tuple_ = false;
  size_t at_ = 0;
  size_t next_ = 0;
  std::string out_;
};

void PercentFormatter::Conversion() {
  budget_.Step();
  const Value* named = nullptr;
  if (at_ < form_.size() && form_[at_] == '(') {
    ++at_;
    named = &NamedArgument();
  }
  Spec spec;
  for (; at_ < form_.size() && std::string_view("#0- +").find(form_[at_]) != std::string_view::npos;
       ++at_) {
    if (form_[at_] == '#') spec.alternate = true;
    if (form_[at_] == '-') spec.align = '<';
    if (form_[at_] == '0') spec.fill = "0";
    if (form_[at_] == '+' || (form_[at_] == ' ' && spec.sign != '+')) spec.sign = form_[at_];
  }
  spec.width = Number(0);
  if (spec.width < 0) {
    spec.align = '<';
    spec.width = -spec.width;
  }
  if (at_ < form_.size() && form_[at_] == '.') {
    ++at_;
    spec.precision = std::max<int64_t>(Number(0), 0);
  }
  while (at_ < form_.size() && std::string_view("hlL").find(form_[at_]) != std::string_view::npos) {
    ++at_;
  }
  if (at_ >= form_.size()) budget_.Fail("incomplete format");
  const char type = form_[at_++];
  if (type == '%') {
    out_ += '%';
    return;
  }
  Convert(type, named != nullptr ? *named : NextArgument(), &spec);
}

void PercentFormatter::Convert(char type, const Value& value, Spec* spec) {
  if (type == 's' || type == 'r' || type == 'a') {
    spec->fill = " ";
    const std::string text = type == 's' ? ToText(budget_, value) : Repr(budget_, value);
    out_ += FormatText(budget_, text, *spec, '>');
    return;
  }
  if (type == 'c') {
    spec->fill = " ";
    std::string text;
    if (value.IsIntegral() && value.AsInt() >= 0 && value.AsInt() < 0x110000 &&
        (value.AsInt() & ~0x7FF) != 0xD800) {
      AppendUtf8(static_cast<char32_t>(value.AsInt()), &text);
    } else if (value.IsText() && value.text().NumCharacters() == 1) {
      text = value.AsText();
    } else {
      budget_.Fail("%c requires int or char");
    }
    out_ += FormatText(budget_, text, *spec, '>');
    return;
  }
  CheckPrecision(budget_, spec->precision);
  if (spec->fill == "0" && spec->align == 0) spec->align = '=';
  if (spec->align == '<') spec->fill = " ";
  if (std::string_view("diuxXo").find(type) != std::string_view::npos) {
    const bool is_decimal = type == 'd' || type == 'i' || type == 'u';
    const bool truncates = value.IsDouble() && is_decimal && std::fabs(value.AsDouble()) < 9.2e18;
    if (!value.IsIntegral() && !truncates) {
      budget_.Fail(std::string("%") + type + " format: an integer is required, not " +
                   value.TypeName());
    }
    spec->type = type == 'i' || type == 'u' ? 'd' : type;
    const int64_t number = truncates ? static_cast<int64_t>(value.AsDouble()) : value.AsInt();
    out_ += FormatInteger(budget_, number, *spec);
  } else if (std::string_view("eEfFgG").find(type) != std::string_view::npos) {
    if (!value.IsNumber()) budget_.Fail("must be real number, not " + value.TypeName());
    spec->type = type;
    out_ += FormatDouble(budget_, value.AsDouble(), *spec);
  } else {
    budget_.Fail(std::string("unsupported format character '") + type + "'");
  }
}

}  // namespace

std::string FormatPercent(Budget& budget, std::string_view form, const Value& operand) {
  return PercentFormatter(budget, form, operand).Run();
}

std::string FormatSpec(Budget& budget, const Value& value, std::string_view text) {
  const Spec spec = ParseSpec(budget, text);
  const auto fail = [&] {
    budget.Fail("the format '" + std::string(text) + "' does not fit the type " + value.TypeName());
  };
  if (value.IsText()) {
    if ((spec.type != 0 && spec.type != 's') || spec.align == '=') fail();
    return FormatText(budget, value.AsText(), spec, '<');
  }
  if (value.IsBool() && text.empty()) return value.AsBool() ? "True" : "False";
  if (!value.IsNumber()) {
    if (!text.empty()) fail();
    return ToText(budget, value);
  }
  CheckPrecision(budget, spec.precision);
  const std::string_view integer_types = "bdoxXn";
  if (value.IsIntegral() &&
      (spec.type == 0 || integer_types.find(spec.type) != integer_types.npos)) {
    if (spec.precision >= 0) fail();
    Spec plain = spec;
    if (plain.type == 'n') plain.type = 'd';
    return FormatInteger(budget, value.AsInt(), plain);
  }
  const std::string_view double_types = "eEfFgGn%";
  if (spec.type != 0 && double_types.find(spec.type) == double_types.npos) fail();
  return FormatDouble(budget, value.AsDouble(), spec);
}

}  // namespace tandem::jinja
