#pragma once
// One run of a workload against a server: thousands of streams on one thread. Open loop: requests
// go out when they are due, whatever comes back, and where one cannot (--max-in-flight), its
// latency counts from its time all the same. Closed loop: each user waits for an answer.
//
// Make it, call Execute once.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "loadtest/http/connection.h"
#include "loadtest/http/server_url.h"
#include "loadtest/measure/measures.h"
#include "loadtest/run/run_outcome.h"
#include "loadtest/workload/workload.h"

namespace tandem {

struct RunSettings {
  ServerUrl url;
  TlsCheck tls_check = TlsCheck::kVerify;
  std::string api_key;
  std::string model;                                            // "" leaves it out of requests
  uint64_t salt = 0;                                            // RequestMaker's
  std::chrono::milliseconds timeout = std::chrono::minutes(2);  // of a request, from its sending
  std::chrono::milliseconds drain = std::chrono::seconds(30);   // after the last was due
  int64_t max_in_flight = 8192;
  std::string in_flight_note;  // why it is less than was asked for; "" where it is not
  GoodLimits good_limits;
};

struct LoadProgress {
  double seconds = 0.0;
  int64_t num_due = 0;
  int64_t num_completed = 0;
  int64_t num_errors = 0;
  int64_t num_in_flight = 0;
  int64_t num_waiting = 0;  // due, but held back by max_in_flight
  double e2e_p50_ms = 0.0;  // of the requests since the warm-up
};

class LoadRun {
 public:
  // Borrows the workload. `on_progress`, which may be empty, is called a few times a second.
  LoadRun(const Workload& workload, const RunSettings& settings,
          std::function<void(const LoadProgress&)> on_progress);
  ~LoadRun();
  LoadRun(const LoadRun&) = delete;

  // SIGINT or SIGTERM end it early; what was measured until then is the outcome.
  RunOutcome Execute();

 private:
  class State;
  std::unique_ptr<State> state_;
};

// Raises the limit of open files as far as the system lets us; the number of connections that it
// then has room for.
int64_t RaiseConnectionLimit();

}  // namespace tandem
