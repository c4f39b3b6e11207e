#pragma once
// What the way through HTTP takes from the engine's speed: the same requests straight on the engine
// loop, and as streamed completions of clients in another process on this machine.

#include <cstdint>
#include <string>

#include "kernels/core/dtype.h"

namespace tandem {

struct HttpBenchOptions {
  std::string shape = "26m";
  DType dtype = DType::kBf16;
  int num_threads = 2;
  int64_t num_streams = 64;
  int64_t prompt_tokens = 128;
  int64_t output_tokens = 128;
  int repeats = 5;
};

// Prints a table to stdout. Throws ConfigError for an unknown shape, DeviceError when a client was
// not answered in full.
void RunHttpBench(const HttpBenchOptions& options);

}  // namespace tandem
