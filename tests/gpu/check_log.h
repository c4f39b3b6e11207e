#pragma once
// How the process of a part tells the one that started it what happened: a line of JSON after a
// mark for each event, between whatever else is printed.

#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "tests/gpu/check_item.h"

namespace tandem {

struct ItemStarted {
  size_t index = 0;  // in the part
  std::string name;
};

struct ItemEnded {
  size_t index = 0;
  Finding finding;
  double seconds = 0;
};

struct PartEnded {};

using CheckEvent = std::variant<ItemStarted, BenchRow, ItemEnded, PartEnded>;

void WriteEvent(const CheckEvent& event, std::ostream& out);
// None of a line that is not an event.
std::optional<CheckEvent> ParseEvent(std::string_view line);

}  // namespace tandem
