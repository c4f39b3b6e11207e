#pragma once
// JSON from outside: a parser with limits, and a reader of one object's fields that collects every
// problem before it throws. Only the forward declaration of the library is visible here; a file
// that looks into values includes <nlohmann/json.hpp> itself. Nothing here is on the per-token
// path.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

using Json = nlohmann::json;

struct JsonLimits {
  size_t max_depth = 64;                // arrays and objects inside each other
  size_t max_bytes = size_t{64} << 20;  // of text
  size_t max_values = 8'000'000;        // numbers, strings, arrays, ... together: bounds the memory
};

// Parses one JSON text (RFC 8259, UTF-8). Throws FormatError, naming `where` and the byte offset,
// when it is malformed, exceeds a limit, has the same name twice in one object, or a number beyond
// double. Neither parsing nor destroying the value recurses.
Json ParseJson(std::string_view text, const std::string& where, const JsonLimits& limits = {});

// Ranges include their ends.
struct IntRange {
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};
struct NumberRange {
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
};

// Reads fields of one object. A field that is null counts as absent. A wrong type or range is noted
// and read as absent, so that one ThrowIfProblems at the end lists everything that is wrong.
// Borrows the object, which must outlive it.
class JsonFields {
 public:
  // Notes a problem at once when `object` is not an object (and then every field is absent).
  JsonFields(const Json& object, std::string where);

  const Json* Find(std::string_view name) const;  // null when absent or null
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  bool IsNull(std::string_view name) const;  // present, and null

  // A number with no fraction counts as an integer, however it is written (Python writes 1e6).
  std::optional<int64_t> Int(std::string_view name, IntRange range = {});
  std::optional<double> Number(std::string_view name, NumberRange range = {});
  std::optional<bool> Bool(std::string_view name);
  std::optional<std::string> String(std::string_view name);
  std::optional<std::vector<int64_t>> Ints(std::string_view name, IntRange range = {});
  std::optional<std::vector<std::string>> Strings(std::string_view name);
  // Fields of an object inside; its problems land in this reader's list as "name.field".
  std::optional<JsonFields> Object(std::string_view name);

  // The same for fields that must be there: absent ones are problems too (and read as 0 or "").
  int64_t RequiredInt(std::string_view name, IntRange range = {});
  double RequiredNumber(std::string_view name, NumberRange range = {});
  std::string RequiredString(std::string_view name);

  // Notes a problem of one field, in the form "<field> <what>".
  void AddProblem(std::string_view name, const std::string& what);
  bool has_problems() const { return !problems_->empty(); }
  // FormatError "<where>: a is missing; b is ...".
  void ThrowIfProblems() const;

 private:
  JsonFields(const Json* object, std::string where, std::string prefix,
             std::shared_ptr<std::vector<std::string>> problems);
  void WrongType(std::string_view name, std::string_view expected);
  std::optional<int64_t> IntFrom(const Json& value, std::string_view name, IntRange range);

  const Json* object_;  // null: not an object
  std::string where_;
  std::string prefix_;  // "rope_scaling."
  // Shared by a reader and those of its inner objects.
  std::shared_ptr<std::vector<std::string>> problems_;
};

}  // namespace tandem
