#pragma once
// Hashes JSON-like values: equal ones have equal hashes, in whatever order an object's names were
// written. Pure; any thread.

#include "engine/text/jinja/value.h"
#include "trainer/data/hash64.h"

namespace tandem {

void HashValue(const jinja::Value& value, Hash64* hash);

}  // namespace tandem
