#pragma once
// The filters, by name. Pure functions of their input and arguments, but for the interpreter's
// budget and what they call through it.

#include <string_view>
#include <vector>

#include "engine/text/jinja/value.h"

namespace tandem::jinja {

using FilterFunction = Value (*)(Interpreter&, const Value& input, Arguments& arguments);

FilterFunction FindFilter(std::string_view name);  // null when there is none

// The parts of the table.
struct NamedFilter {
  std::string_view name;
  FilterFunction function;
};
const std::vector<NamedFilter>& TextFilters();       // filters_text.cc
const std::vector<NamedFilter>& NumberFilters();     // filters_number.cc
const std::vector<NamedFilter>& SequenceFilters();   // filters_sequence.cc
const std::vector<NamedFilter>& OrderFilters();      // filters_order.cc
const std::vector<NamedFilter>& SelectionFilters();  // filters_select.cc

}  // namespace tandem::jinja
