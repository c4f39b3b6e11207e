#pragma once
// What this machine can do at most with given instructions and threads, measured: reading memory
// from each level of the hierarchy, and multiplying with each unit. What ops are compared with.

#include <cstdint>
#include <vector>

#include "kernels/core/context.h"
#include "tests/support/ops/op_case.h"

namespace tandem {

struct Ceilings {
  struct Memory {
    int64_t working_set_bytes = 0;  // of all threads
    double bytes_per_second = 0;
  };
  std::vector<Memory> memory;  // ascending working sets, from the first cache to memory
  double f32_flops = 0;
  double bf16_vector_flops = 0;
  double bf16_flops = 0;
  double i8_flops = 0;

  // For operands of that many bytes, read again and again; between two measured sizes, between
  // their rates.
  double BytesPerSecond(int64_t working_set_bytes) const;
  double Flops(OpUnit unit) const;
};

// The best of many short runs of each: what disturbs a run only slows it.
Ceilings MeasureCeilings(Context& context);

// What products out of the first cache, of bf16 or f32, do in `seconds` without a pause. On a
// machine that others use too this is less than the best of short runs, and it is what whole steps
// can have: tiles were seen to run at a third of their speed for seconds at a time.
double SustainedFlops(Context& context, bool bf16, double seconds);

// The higher of two measurements.
Ceilings Highest(const Ceilings& a, const Ceilings& b);

}  // namespace tandem
