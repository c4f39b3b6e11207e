#pragma once
// How long work takes on a device: recordings, and medians on the host's clock between two waits.
// Owned by one row of the table; one thread.

#include <functional>

#include "kernels/core/context.h"
#include "kernels/core/device_memory.h"

namespace tandem {

struct DeviceTiming {
  double sample_seconds = 6e-3;  // at least, of calls between two waits
  double most_seconds = 0.4;     // of all samples, where two are there
  int num_samples = 7;
  // Calls that are shorter are recorded, so many together: what the host needs to launch them is
  // not theirs.
  double recorded_below_seconds = 25e-6;
  int recorded_calls = 100;
};

// One of each, all recorded: for the fake GPU.
inline constexpr DeviceTiming kTinyTiming{.sample_seconds = 0,
                                          .most_seconds = 0,
                                          .num_samples = 1,
                                          .recorded_below_seconds = 1e9,
                                          .recorded_calls = 2};

// Seconds of one `call`, which sends work to the context's stream.
double SecondsOfCall(Context& context, const DeviceTiming& timing, bool can_be_recorded,
                     const std::function<void()>& call);

}  // namespace tandem
