#pragma once
// Two results in one self-contained HTML file: the table of `compare`, and their latencies drawn
// over each other. Pure function.

#include <string>

#include "loadtest/report/load_result.h"

namespace tandem {

struct NamedResult {
  std::string name;  // plain text: "tandem-int8"
  const LoadResult& result;
};

std::string ComparisonPage(const NamedResult& a, const NamedResult& b);

}  // namespace tandem
