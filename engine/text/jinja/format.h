#pragma once
// Python's two ways to format: '%5.2f' % x, and the form '{:>5}' of str.format. Widths and
// precisions are bounded by the budget. Pure otherwise.

#include <string>
#include <string_view>

#include "engine/text/jinja/budget.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

// `operand` is a tuple of arguments, a dictionary for '%(name)s', or one argument.
std::string FormatPercent(Budget& budget, std::string_view form, const Value& operand);

// format(value, spec)
std::string FormatSpec(Budget& budget, const Value& value, std::string_view spec);

// form.format(*positional, **named); attributes and items of fields through the interpreter.
std::string FormatBraces(Interpreter& interpreter, std::string_view form,
                         const Arguments& arguments);

}  // namespace tandem::jinja
