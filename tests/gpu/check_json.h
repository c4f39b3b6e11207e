#pragma once
// Findings and figures as JSON, for the log between processes and for the report.

#include <nlohmann/json.hpp>
#include <string_view>

#include "tests/gpu/check_item.h"

namespace tandem {

std::string_view Name(CheckOutcome outcome);  // "passed"

nlohmann::json ToJson(const Finding& finding);
nlohmann::json ToJson(const BenchRow& row);
Finding FindingOf(const nlohmann::json& from);
BenchRow BenchRowOf(const nlohmann::json& from);

}  // namespace tandem
