#pragma once
// Training speed: whole optimiser steps on random tokens, beside what the machine can multiply at
// most in the same run.

#include <cstdint>
#include <string>

#include "kernels/core/device.h"
#include "kernels/core/dtype.h"
#include "kernels/core/instruction_set.h"

namespace tandem {

struct TrainBenchOptions {
  std::string shape = "26m";  // ShapeByName (model_bench.h)
  DType dtype = DType::kBf16;
  Device device = kCpuDevice;
  int num_threads = 2;
  InstructionSet isa = BestInstructionSet();
  int64_t num_rows = 8;  // sequences of a step, all in one micro-batch
  int64_t row_tokens = 512;
  bool checkpoint_activations = false;
  bool muon = false;
  int repeats = 5;  // the median is printed
};

// Prints one table to stdout. Throws ConfigError for an unknown shape.
void RunTrainBench(const TrainBenchOptions& options);

}  // namespace tandem
