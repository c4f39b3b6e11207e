#pragma once
// The knobs of a model in memory, common to all commands that run one.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "engine/base/settings.h"
#include "engine/model_runner.h"
#include "kernels/core/dtype.h"
#include "kernels/core/instruction_set.h"

namespace tandem {

struct ModelOptions {
  std::string device = "auto";          // of DeviceNames
  std::filesystem::path model;          // empty: the default model
  std::optional<DType> dtype;           // absent: the checkpoint's
  std::optional<DType> kv_cache_dtype;  // absent: follows dtype
  int64_t max_model_len = 0;            // 0: the model's
  int64_t kv_cache_memory = 0;          // bytes; 0: from the memory that is available
  double gpu_memory_utilization = 0.9;  // of a GPU's memory, what the process may take
  bool enforce_eager = false;           // no recordings of steps
  int64_t max_num_seqs = 64;
  int64_t max_num_batched_tokens = 512;
  int32_t threads = 0;                    // 0: all
  std::optional<InstructionSet> cpu_isa;  // absent: the best
  std::string rope_scaling;
  std::string chat_template;  // a file, or a built-in one's name; empty: the model's own
};

void AddModelSettings(Settings& settings, ModelOptions& options);

// options.model, or the default model that came with the program. ConfigError when there is none.
std::filesystem::path FindModelDirectory(const ModelOptions& options);

// What the runner is to be; `directory` tells the dtype where the options do not.
ModelRunnerOptions RunnerOptions(const ModelOptions& options,
                                 const std::filesystem::path& directory);

// "float32", "bfloat16", "float16", "int8".
std::string_view OptionName(DType dtype);

}  // namespace tandem
