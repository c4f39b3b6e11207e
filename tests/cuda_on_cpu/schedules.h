#pragma once
// The schedules under which every kernel must do the same.

#include <vector>

#include "tests/cuda_on_cpu/emulator.h"

namespace tandem {

// Another one for each build of the tests would hide a failure again; a Fault prints it.
inline constexpr uint64_t kScheduleSeed = 20261121;

inline std::vector<cuda_on_cpu::Schedule> AllSchedules() {
  using cuda_on_cpu::Order;
  return {{Order::kForward, 0, 0xff},
          {Order::kReverse, 0, 0x3c},
          {Order::kRandom, kScheduleSeed, 0x00}};
}

}  // namespace tandem
