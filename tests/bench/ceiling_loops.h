#pragma once
// The loops that measure what one instruction set can do at most. Included by files compiled for
// different sets: plain data only.

#include <cstddef>
#include <cstdint>

namespace tandem {

struct UnitLoop {
  float (*run)(int64_t steps) = nullptr;  // null: the set has no such unit
  int64_t flops = 0;                      // of a step
};

struct CeilingLoops {
  float (*read)(const std::byte* data, int64_t size_bytes);  // a multiple of 1024
  UnitLoop f32;
  UnitLoop bf16_dot;    // vectors
  UnitLoop bf16_tiles;    // AMX
  UnitLoop bf16_loads;    // AMX, each product's tiles loaded from the first cache
  UnitLoop i8;
};

}  // namespace tandem
