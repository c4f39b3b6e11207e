#pragma once
// `tandem-loadtest ladder`: what each step of serving buys on this machine.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/command_line.h"
#include "engine/base/settings.h"

namespace tandem {

struct LadderOptions {
  std::filesystem::path model;   // empty: the one that the server has by default
  std::filesystem::path server;  // empty: `tandem` beside this program
  std::vector<std::string> serve_flags;
  int32_t threads = 0;
  std::chrono::milliseconds ready_within = std::chrono::minutes(5);

  std::string workload = "ladder";
  std::optional<int64_t> concurrency;
  std::chrono::milliseconds duration{};  // this one and the next two count where they are set
  std::chrono::milliseconds warm_up{};
  uint64_t seed = 0;
  std::filesystem::path text;  // empty: configs/load/ladder.txt
  std::filesystem::path json;
};

void AddLadderSettings(Settings& settings, LadderOptions& options);

int RunLadder(const CommandLine& line);

}  // namespace tandem
