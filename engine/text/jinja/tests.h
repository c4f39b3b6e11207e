#pragma once
// The tests behind `is`, by name. Pure functions of their input and arguments.

#include <string_view>

#include "engine/text/jinja/value.h"

namespace tandem::jinja {

using TestFunction = bool (*)(Interpreter&, const Value& input, Arguments& arguments);

TestFunction FindTest(std::string_view name);  // null when there is none

}  // namespace tandem::jinja
