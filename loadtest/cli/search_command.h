#pragma once
// `tandem-loadtest search`: the highest rate of an open loop at which a service level holds.

#include <filesystem>
#include <string>

#include "engine/base/command_line.h"
#include "loadtest/cli/load_options.h"
#include "loadtest/run/rate_search.h"

namespace tandem {

struct SearchOptions {
  LoadOptions load;
  std::string slo;
  RateSearchLimits limits;
  std::filesystem::path json;
};

void AddSearchSettings(Settings& settings, SearchOptions& options);

int SearchLoad(const CommandLine& line);

}  // namespace tandem
