#pragma once
// Typed reading of a client's JSON object: a field of the wrong type or range is InvalidRequest
// with the field's name; null counts as absent. Used by the request parsers of api/openai only.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/json.h"

namespace tandem {

inline constexpr JsonLimits kRequestLimits{.max_depth = 32, .max_values = 4'000'000};

// Parses a request's body, which must be one JSON object. Throws InvalidRequest without a field.
Json ParseRequestObject(std::string_view body);

class RequestFields {
 public:
  // `object` outlives this. `prefix` names it in errors: "stream_options.".
  explicit RequestFields(const Json& object, std::string prefix = "");

  const Json* Find(const char* name) const;  // null when absent or null
  bool Has(const char* name) const { return Find(name) != nullptr; }

  std::optional<bool> Bool(const char* name) const;
  std::optional<std::string> String(const char* name) const;
  // A number without a fraction, however it is written.
  std::optional<int64_t> Integer(const char* name, int64_t min, int64_t max) const;
  // One that a float can hold.
  std::optional<float> Number(const char* name) const;
  // Each an integer that fits a token id; whether the vocabulary has it is for others to check.
  std::optional<std::vector<int32_t>> TokenIds(const char* name) const;
  const Json* Object(const char* name) const;

  [[noreturn]] void Fail(const char* name, const std::string& what) const;

 private:
  const Json& object_;
  std::string prefix_;
};

// One JSON value as a token id; none when it is no integer in [0, 2^31).
std::optional<int32_t> AsTokenId(const Json& value);

}  // namespace tandem
