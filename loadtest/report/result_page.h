#pragma once
// A result as one HTML page with charts: no script, nothing from elsewhere. Pure function.

#include <string>

#include "loadtest/report/load_result.h"

namespace tandem {

std::string ResultPage(const LoadResult& result);

}  // namespace tandem
