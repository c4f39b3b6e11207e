#pragma once
// The outcome of a run with what it was a run of, as it is kept in a file: `run --json` writes it,
// `report`, `compare` and `merge` read it. Plain data, and its form as JSON.

#include <filesystem>
#include <string>
#include <vector>

#include "loadtest/run/load_run.h"
#include "loadtest/run/run_outcome.h"
#include "loadtest/run/server_probe.h"
#include "loadtest/workload/workload.h"

namespace tandem {

struct LoadResult {
  std::string started;  // "2026-01-01T00:00:00.000Z"; of merged workers the earliest
  std::string url;      // of merged workers, as seed and salt: of all, with commas between
  ServerInfo server;
  std::string workload;                // its name
  std::vector<std::string> described;  // what it does, in lines
  double warm_up_seconds = 0.0;
  double offered_rate = 0.0;  // requests a second on average; 0: closed loop
  std::string goodput;        // --goodput; "" without
  std::string seed;
  std::string salt;
  int64_t num_workers = 1;         // that ran it side by side
  std::vector<std::string> notes;  // of what made it: Warnings() has them too
  RunOutcome outcome;
};

// "open loop: poisson, 100 requests/s for 60s", then a line for each kind of request. Without the
// seed, with which the load is another draw of the same.
std::vector<std::string> Described(const Workload& workload);
// On average over its duration; 0 of a closed loop.
double OfferedRate(const Workload& workload);

// Where the numbers of output tokens come from: "usage", "chunks", "usage and chunks".
std::string TokenSource(const Measures& measures);
// "3 of this load, side by side".
std::string WorkersText(const LoadResult& result);
// What a reader must know before believing the figures: a busy client, late sends, errors...
std::vector<std::string> Warnings(const LoadResult& result);

std::string ResultJson(const LoadResult& result);
// FormatError that names the file.
LoadResult ReadResult(const std::filesystem::path& file);

}  // namespace tandem
