#pragma once
// JSON from outside as values that keep the order of the names, which templates print. Pure; any
// thread.

#include <string>
#include <string_view>

#include "engine/base/json.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

// As ParseJson, with the same parser, limits and errors. An integer beyond int64 becomes a double.
Value ParseValue(std::string_view text, const std::string& where, const JsonLimits& limits = {});

}  // namespace tandem::jinja
