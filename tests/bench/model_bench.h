#pragma once
// Whole-model speed: prefill and batched decode, with attention, norms and sampling, beside the
// bare chain of the same matmuls in the same run.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config/model_config.h"
#include "kernels/core/device.h"
#include "kernels/core/dtype.h"
#include "kernels/core/instruction_set.h"

namespace tandem {

struct ModelBenchOptions {
  std::string shape = "26m";  // stories260k, 26m, 64m, 104m, 145m-moe
  DType dtype = DType::kBf16;
  Device device = kCpuDevice;
  int num_threads = 2;
  InstructionSet isa = BestInstructionSet();
  int64_t prefill_tokens = 512;
  int64_t prompt_tokens = 128;  // of each stream, before decoding
  int64_t decode_tokens = 128;  // of each stream
  std::vector<int64_t> streams = {1, 16, 64};
  int repeats = 5;  // the median is printed
};

// Throws ConfigError for an unknown name.
ModelConfig ShapeByName(const std::string& name);

// Prints one table to stdout. Throws ConfigError for an unknown shape.
void RunModelBench(const ModelBenchOptions& options);

}  // namespace tandem
