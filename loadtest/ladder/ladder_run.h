#pragma once
// One step's load on a server that is there: the first requests of a workload, in their order, as
// LadderLoad says, for a bounded time. Tokens are counted as they come between the end of the
// warm-up and the end of the duration; then no request begins any more, and the running ones are
// waited for, as their latencies and answers count. Ends at the first request that fails.
//
// One thread, which blocks in the io_context, whose other handlers run meanwhile.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "loadtest/http/connection.h"
#include "loadtest/http/server_url.h"
#include "loadtest/ladder/ladder_step.h"
#include "loadtest/measure/measures.h"
#include "loadtest/workload/workload.h"

namespace tandem {

struct LadderRunSettings {
  ServerUrl url;
  std::string model;  // asked for by name; "" leaves it out
  LadderLoad load = LadderLoad::kContinuous;
  std::chrono::milliseconds drain = std::chrono::minutes(2);  // for answers after the duration
};

struct LadderRunOutcome {
  double window_seconds = 0.0;    // from the end of the warm-up to the end of the duration
  int64_t num_output_tokens = 0;  // that came in it
  Measures total{"all"};          // of requests that ended after the warm-up
  // Token ids, by the request's number in the workload; empty where the answer is not whole.
  std::vector<std::vector<int64_t>> answers;
  double client_cpu_share = 0.0;  // of one core
  std::string failure;            // of the first request that failed, from outside; empty: none did
};

// Of the workload: duration, warm-up, num_users (the N of LadderLoad), and what is asked, which
// CheckLadderWorkload took.
LadderRunOutcome RunLadderLoad(boost::asio::io_context& io, const Workload& workload,
                               const LadderRunSettings& settings);

// Whether the ladder can ask for it: completions of random token ids, greedy and with
// `ignore-eos`, so that answers can be compared; in a closed loop. ConfigError that names the key.
void CheckLadderWorkload(const Workload& workload);

}  // namespace tandem
