#pragma once
// What idle connections cost in memory. A child process opens them, so that only the server's side
// is counted.

#include <cstdint>

namespace tandem {

struct ConnectionsBenchOptions {
  int64_t num_connections = 2000;
  bool tls = false;
  bool silent = false;  // they never send a request; else each has had one answered
};

// Prints a table. DeviceError where the system does not let it open so many.
void RunConnectionsBench(const ConnectionsBenchOptions& options);

}  // namespace tandem
