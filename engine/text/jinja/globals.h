#pragma once
// The functions that every template may call. Immutable, any thread.

#include <string>
#include <utility>
#include <vector>

#include "engine/text/jinja/value.h"

namespace tandem::jinja {

// range, dict, namespace, cycler, joiner, raise_exception, strftime_now.
const std::vector<std::pair<std::string, Value>>& GlobalFunctions();

}  // namespace tandem::jinja
