#pragma once
// A result as a table for the terminal. Pure function.

#include <string>

#include "engine/base/terminal.h"
#include "loadtest/report/load_result.h"

namespace tandem {

std::string ResultTable(const LoadResult& result, const Styler& style);

}  // namespace tandem
