#pragma once
// Measures the ladder: for each step a server of its own, the load, the text, and its end. One
// thread. No server is left behind, whatever ends it.

#include <chrono>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "loadtest/ladder/ladder_result.h"
#include "loadtest/workload/workload.h"

namespace tandem {

struct LadderPlan {
  std::filesystem::path server;               // the program `tandem`
  std::vector<std::string> server_arguments;  // of every step, besides the step's own
  std::chrono::milliseconds ready_within = std::chrono::minutes(5);
  Workload workload;  // that CheckLadderWorkload took
  std::string text;   // to be scored
  std::string text_file;
};

// SIGINT or SIGTERM came. Not an Error: nothing is wrong.
struct LadderInterrupted {
  int signal = 0;
};

// `on_step` is told of each step before it begins. What goes wrong in a step is its `failure`, but
// if the first has no server, or none that is ready, that is thrown: ConfigError. Throws
// LadderInterrupted.
LadderResult MeasureLadder(const LadderPlan& plan, std::span<const LadderStep> steps,
                           const std::function<void(size_t index)>& on_step);

}  // namespace tandem
