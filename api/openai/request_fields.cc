#include "api/openai/request_fields.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"

namespace tandem {

namespace {

// An integer in value's double or integer form, if it has no fraction and fits.
std::optional<int64_t> AsInteger(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double number = value.get<double>();
  constexpr double kExact = 9007199254740992.0;  // 2^53: beyond it doubles skip integers
  if (std::trunc(number) != number || std::fabs(number) > kExact) return std::nullopt;
  return static_cast<int64_t>(number);
}

// The nearest float, but never one of eight or fewer significant bits that `number` is not: the
// limits of fields are such, and rounding must carry nothing over them (1e-50 to 0,
// 2.0000000000000004 to 2).
float Narrowed(double number) {
  const auto nearest = static_cast<float>(number);
  if (static_cast<double>(nearest) == number) return nearest;
  int exponent = 0;
  const float bits = std::frexp(nearest, &exponent) * 256.0f;
  if (std::trunc(bits) != bits) return nearest;
  const float towards = number > static_cast<double>(nearest) ? INFINITY : -INFINITY;
  return std::nextafter(nearest, towards);
}

}  // namespace

Json ParseRequestObject(std::string_view body) {
  try {
    Json json = ParseJson(body, "the request's body", kRequestLimits);
    if (!json.is_object()) throw InvalidRequest("", "the request's body must be a JSON object");
    return json;
  } catch (const FormatError& error) {
    throw InvalidRequest("", error.what());
  }
}

RequestFields::RequestFields(const Json& object, std::string prefix)
    : object_(object), prefix_(std::move(prefix)) {}

void RequestFields::Fail(const char* name, const std::string& what) const {
  const std::string field = prefix_ + name;
  throw InvalidRequest(field, "'" + field + "' " + what);
}

const Json* RequestFields::Find(const char* name) const {
  const auto it = object_.find(name);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

std::optional<bool> RequestFields::Bool(const char* name) const {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) Fail(name, "must be true or false");
  return value->get<bool>();
}

std::optional<std::string> RequestFields::String(const char* name) const {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) Fail(name, "must be a string");
  return value->get<std::string>();
}

std::optional<int64_t> RequestFields::Integer(const char* name, int64_t min, int64_t max) const {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  const std::optional<int64_t> number = AsInteger(*value);
  if (!number) Fail(name, "must be an integer");
  if (*number < min || *number > max) {
    Fail(name, "must be between " + std::to_string(min) + " and " + std::to_string(max) +
                   ", but is " + std::to_string(*number));
  }
  return number;
}

std::optional<float> RequestFields::Number(const char* name) const {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) Fail(name, "must be a number");
  const double number = value->get<double>();
  if (!(std::fabs(number) <= static_cast<double>(std::numeric_limits<float>::max()))) {
    Fail(name, "is too large");
  }
  return Narrowed(number);
}

std::optional<std::vector<int32_t>> RequestFields::TokenIds(const char* name) const {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) Fail(name, "must be an array of token ids");
  std::vector<int32_t> ids;
  ids.reserve(value->size());
  for (const Json& element : *value) {
    const std::optional<int32_t> id = AsTokenId(element);
    if (!id) Fail(name, "must hold token ids only");
    ids.push_back(*id);
  }
  return ids;
}

const Json* RequestFields::Object(const char* name) const {
  const Json* value = Find(name);
  if (value != nullptr && !value->is_object()) Fail(name, "must be an object");
  return value;
}

std::optional<int32_t> AsTokenId(const Json& value) {
  const std::optional<int64_t> id = AsInteger(value);
  if (!id || *id < 0 || *id > std::numeric_limits<int32_t>::max()) return std::nullopt;
  return static_cast<int32_t>(*id);
}

}  // namespace tandem
