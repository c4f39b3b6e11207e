#pragma once
// Operations on strings that methods and filters share. Pure but for the budget.

#include <string>
#include <string_view>

#include "engine/text/jinja/budget.h"
#include "engine/text/jinja/characters.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

struct Replacement {
  const std::string& old_part;
  const std::string& new_part;
  int64_t count = -1;  // negative: all
};
std::string Replaced(Budget& budget, const std::string& text, const Replacement& replacement);

// Padded with `fill`, one character, to a width in characters. `side`: where the text goes.
std::string Justified(Budget& budget, const Text& text, int64_t width, const std::string& fill,
                      Side side);

enum class LineEnds : uint8_t { kKept, kDropped };
std::vector<std::string_view> Lines(std::string_view text, LineEnds ends);

}  // namespace tandem::jinja
