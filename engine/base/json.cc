#include "engine/base/json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/base/json_builder.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

std::string Shown(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  return Printable(value.dump(-1, ' ', false, Json::error_handler_t::replace), 60);
}

std::string Shown(double value) {
  return Json(value).dump();  // shortest form that reads back
}

}  // namespace

Json ParseJson(std::string_view text, const std::string& where, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    throw FormatError(where + ": JSON of " + std::to_string(text.size()) +
                      " bytes exceeds the limit of " + std::to_string(limits.max_bytes));
  }
  JsonBuilder builder(where, limits);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.Take();
}

JsonFields::JsonFields(const Json& object, std::string where)
    : JsonFields(&object, std::move(where), "", std::make_shared<std::vector<std::string>>()) {
  if (!object.is_object()) {
    object_ = nullptr;
    problems_->push_back("expected an object, got " + Shown(object));
  }
}

JsonFields::JsonFields(const Json* object, std::string where, std::string prefix,
                       std::shared_ptr<std::vector<std::string>> problems)
    : object_(object),
      where_(std::move(where)),
      prefix_(std::move(prefix)),
      problems_(std::move(problems)) {}

const Json* JsonFields::Find(std::string_view name) const {
  if (object_ == nullptr) return nullptr;
  const auto it = object_->find(name);
  return it == object_->end() || it->is_null() ? nullptr : &*it;
}

bool JsonFields::IsNull(std::string_view name) const {
  if (object_ == nullptr) return false;
  const auto it = object_->find(name);
  return it != object_->end() && it->is_null();
}

void JsonFields::AddProblem(std::string_view name, const std::string& what) {
  problems_->push_back(prefix_ + std::string(name) + " " + what);
}

void JsonFields::WrongType(std::string_view name, std::string_view expected) {
  AddProblem(name, "is " + Shown(*Find(name)) + ", expected " + std::string(expected));
}

void JsonFields::ThrowIfProblems() const {
  if (problems_->empty()) return;
  std::string message = where_ + ": ";
  for (size_t i = 0; i < problems_->size(); ++i) {
    if (i > 0) message += "; ";
    message += (*problems_)[i];
  }
  throw FormatError(message);
}

std::optional<int64_t> JsonFields::IntFrom(const Json& value, std::string_view name,
                                           IntRange range) {
  int64_t number = 0;
  // An unsigned value beyond int64 has already become is_number_unsigned with the top bit set.
  const bool too_large = value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX};
  if (value.is_number_integer() && !too_large) {
    number = value.get<int64_t>();
  } else if (value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>() &&
             std::abs(value.get<double>()) <= 9007199254740992.0) {
    number = static_cast<int64_t>(value.get<double>());
  } else {
    AddProblem(name, "is " + Shown(value) + ", expected an integer");
    return std::nullopt;
  }
  if (number < range.min || number > range.max) {
    AddProblem(name, "is " + std::to_string(number) + ", expected " + std::to_string(range.min) +
                         " to " + std::to_string(range.max));
    return std::nullopt;
  }
  return number;
}

std::optional<int64_t> JsonFields::Int(std::string_view name, IntRange range) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  return IntFrom(*value, name, range);
}

std::optional<double> JsonFields::Number(std::string_view name, NumberRange range) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) {
    WrongType(name, "a number");
    return std::nullopt;
  }
  const double number = value->get<double>();
  if (!(number >= range.min && number <= range.max)) {
    AddProblem(
        name, "is " + Shown(number) + ", expected " + Shown(range.min) + " to " + Shown(range.max));
    return std::nullopt;
  }
  return number;
}

std::optional<bool> JsonFields::Bool(std::string_view name) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  WrongType(name, "true or false");
  return std::nullopt;
}

std::optional<std::string> JsonFields::String(std::string_view name) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  WrongType(name, "a string");
  return std::nullopt;
}

std::optional<std::vector<int64_t>> JsonFields::Ints(std::string_view name, IntRange range) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) {
    WrongType(name, "an array of integers");
    return std::nullopt;
  }
  std::vector<int64_t> numbers;
  for (const Json& element : *value) {
    const std::optional<int64_t> number = IntFrom(element, name, range);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

std::optional<std::vector<std::string>> JsonFields::Strings(std::string_view name) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  std::vector<std::string> strings;
  if (value->is_array()) {
    for (const Json& element : *value) {
      if (element.is_string()) strings.push_back(element.get<std::string>());
    }
    if (strings.size() == value->size()) return strings;
  }
  WrongType(name, "an array of strings");
  return std::nullopt;
}

std::optional<JsonFields> JsonFields::Object(std::string_view name) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) {
    WrongType(name, "an object");
    return std::nullopt;
  }
  return JsonFields(value, where_, prefix_ + std::string(name) + ".", problems_);
}

int64_t JsonFields::RequiredInt(std::string_view name, IntRange range) {
  if (!Has(name)) AddProblem(name, "is missing");
  return Int(name, range).value_or(0);
}

double JsonFields::RequiredNumber(std::string_view name, NumberRange range) {
  if (!Has(name)) AddProblem(name, "is missing");
  return Number(name, range).value_or(0.0);
}

std::string JsonFields::RequiredString(std::string_view name) {
  if (!Has(name)) AddProblem(name, "is missing");
  return String(name).value_or("");
}

}  // namespace tandem
