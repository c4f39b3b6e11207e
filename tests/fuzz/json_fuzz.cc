// The JSON reader: its limits hold, and what it accepts is JSON that reads back as the same value.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/base/json.h"
#include "tests/fuzz/fuzz_target.h"

namespace tandem {
namespace {

constexpr JsonLimits kLimits{.max_depth = 16, .max_bytes = 4096, .max_values = 200};

struct Extent {
  size_t depth = 0;
  size_t num_values = 1;
};

// Recursion is safe here: the depth was bounded by the reader under test.
Extent Measure(const Json& value) {
  Extent extent;
  if (!value.is_structured()) return extent;
  for (const Json& child : value) {
    const Extent inner = Measure(child);
    extent.depth = std::max(extent.depth, inner.depth);
    extent.num_values += inner.num_values;
  }
  ++extent.depth;
  return extent;
}

// Every typed reading of every field gives a value or notes a problem.
void ReadEveryField(const Json& object) {
  JsonFields fields(object, "fuzz");
  if (!object.is_object()) CHECK(fields.has_problems());
  if (object.is_object()) {
    for (const auto& [name, value] : object.items()) {
      if (const auto number = fields.Int(name, {-5, 5})) CHECK(*number >= -5 && *number <= 5);
      if (const auto number = fields.Number(name, {0.0, 1.0})) CHECK(*number >= 0 && *number <= 1);
      fields.Bool(name);
      fields.String(name);
      fields.Ints(name);
      fields.Strings(name);
      if (auto inner = fields.Object(name)) inner->RequiredInt("a");
      CHECK(fields.Has(name) != fields.IsNull(name));
    }
  }
  try {
    fields.ThrowIfProblems();
    CHECK(!fields.has_problems());
  } catch (const FormatError&) {
    CHECK(fields.has_problems());
  }
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const std::string_view text = AsText(data, size);
  Json value;
  try {
    value = ParseJson(text, "fuzz", kLimits);
  } catch (const FormatError&) {
    return 0;
  }
  CHECK(text.size() <= kLimits.max_bytes);
  CHECK(Json::accept(text));
  const Extent extent = Measure(value);
  CHECK(extent.depth <= kLimits.max_depth, extent.depth);
  CHECK(extent.num_values <= kLimits.max_values, extent.num_values);
  CHECK(ParseJson(value.dump(), "written") == value);
  ReadEveryField(value);
  return 0;
}
