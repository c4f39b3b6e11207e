#pragma once
// A result as a table for the terminal. Pure function.

#include <string>

#include "engine/base/terminal.h"
#include "loadtest/report/load_result.h"

namespace tandem {

// Texts are broken into lines of at most `columns` characters.
std::string ResultTable(const LoadResult& result, const Styler& style, int columns = 100);

}  // namespace tandem
