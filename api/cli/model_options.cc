#include "api/cli/model_options.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/base/device_setting.h"
#include "engine/base/program_files.h"
#include "engine/weights/tensor_table.h"
#include "kernels/core/devices.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr char kDefaultModel[] = "configs/models/default";
constexpr char kGroup[] = "Model";

using DTypeChoices = std::vector<std::pair<std::string, std::optional<DType>>>;

const DTypeChoices& WeightChoices() {
  static const DTypeChoices choices = {{"auto", std::nullopt},
                                       {"float32", DType::kF32},
                                       {"bfloat16", DType::kBf16},
                                       {"float16", DType::kF16},
                                       {"int8", DType::kI8}};
  return choices;
}

// The dtype of the largest tensor: norms and biases may be kept in another.
DType CheckpointDType(const std::filesystem::path& directory) {
  const TensorTable table = ReadSafetensors(directory);
  DType dtype = DType::kF32;
  int64_t largest = 0;
  for (const auto& [name, entry] : table.entries()) {
    const int64_t count = entry.view.num_elements();
    if (count <= largest) continue;
    largest = count;
    dtype = entry.view.dtype();
  }
  const bool usable = dtype == DType::kBf16 || dtype == DType::kF16;
  return usable ? dtype : DType::kF32;
}

}  // namespace

void AddModelSettings(Settings& settings, ModelOptions& options) {
  settings.AddPositional("model", &options.model,
                         {.help = "model directory (config.json, safetensors, tokenizer); without "
                                  "it the default model",
                          .value_name = "DIR",
                          .group = kGroup});
  AddDeviceSetting(
      settings, &options.device,
      {.help = "where the model runs; auto: the fastest that is there", .group = kGroup});
  settings.AddChoice("dtype", &options.dtype, WeightChoices(),
                     {.help = "type of the weights; auto: the checkpoint's", .group = kGroup});
  settings.AddChoice(
      "kv-cache-dtype", &options.kv_cache_dtype,
      DTypeChoices{{"auto", std::nullopt}, {"float32", DType::kF32}, {"bfloat16", DType::kBf16}},
      {.help = "type of cached keys and values", .group = kGroup});
  settings.Add("max-model-len", &options.max_model_len,
               {.help = "tokens of one sequence, prompt and completion; 0: the model's",
                .min = 0,
                .group = kGroup});
  settings.Add("rope-scaling", &options.rope_scaling,
               {.help = "none, linear:factor=2, yarn:factor=4, ...: replaces the config's",
                .group = kGroup});
  settings.Add("chat-template", &options.chat_template,
               {.help = "Jinja file, or chatml: how conversations are written, instead of the "
                        "model's own way",
                .value_name = "FILE",
                .group = kGroup});
  settings.Add("threads", &options.threads,
               {.help = "threads that compute; 0: all processors", .min = 0, .group = kGroup});
  settings.AddChoice("cpu-isa", &options.cpu_isa,
                     std::vector<std::pair<std::string, std::optional<InstructionSet>>>{
                         {"auto", std::nullopt},
                         {"portable", InstructionSet::kPortable},
                         {"avx2", InstructionSet::kAvx2},
                         {"avx512", InstructionSet::kAvx512},
                         {"avx512bf16", InstructionSet::kAvx512Bf16},
                         {"amx", InstructionSet::kAmx}},
                     {.help = "instructions to use; auto: the best here", .group = kGroup});
  settings.AddBytes(
      "kv-cache-memory", &options.kv_cache_memory,
      {.help = "memory for keys and values; 0: from what is available", .min = 0, .group = kGroup});
  settings.Add("gpu-memory-utilization", &options.gpu_memory_utilization,
               {.help = "share of a GPU's memory that weights, activations and, unless "
                        "--kv-cache-memory says how much, keys and values may take together",
                .min = 0.05,
                .max = 1.0,
                .group = kGroup});
  settings.Add("enforce-eager", &options.enforce_eager,
               {.help = "launch every op of every step by itself, and record no steps as graphs on "
                        "a GPU; slower, with the same results",
                .group = kGroup});
}

std::filesystem::path FindModelDirectory(const ModelOptions& options) {
  if (!options.model.empty()) {
    if (std::filesystem::is_directory(options.model)) return options.model;
    throw ConfigError("--model " + options.model.string() + " is no directory");
  }
  if (const auto found = FindProgramFile(ProgramFolder(), kDefaultModel)) return *found;
  throw ConfigError(std::string("the default model is not there: ") + kDefaultModel +
                    " did not come with this program; give a model with --model DIR, a directory "
                    "with config.json, model.safetensors and tokenizer.json or tokenizer.model");
}

ModelRunnerOptions RunnerOptions(const ModelOptions& options,
                                 const std::filesystem::path& directory) {
  ModelRunnerOptions runner;
  runner.device = FindDevice(options.device);
  runner.dtype = options.dtype ? *options.dtype : CheckpointDType(directory);
  runner.kv_dtype = options.kv_cache_dtype;
  runner.max_context = options.max_model_len;
  runner.kv_bytes = options.kv_cache_memory;
  runner.device_memory_share = options.gpu_memory_utilization;
  runner.max_sequences = options.max_num_seqs;
  runner.max_step_tokens = options.max_num_batched_tokens;
  runner.num_threads = options.threads;
  if (options.cpu_isa) {
    const std::vector<InstructionSet> usable = UsableInstructionSets();
    if (std::find(usable.begin(), usable.end(), *options.cpu_isa) == usable.end()) {
      throw ConfigError("--cpu-isa " + std::string(Name(*options.cpu_isa)) +
                        " is not offered by this processor; the best here is " +
                        std::string(Name(BestInstructionSet())));
    }
    runner.isa = *options.cpu_isa;
  }
  runner.rope_scaling = options.rope_scaling;
  runner.record_steps = !options.enforce_eager;
  return runner;
}

std::string_view OptionName(DType dtype) {
  for (const auto& [name, choice] : WeightChoices()) {
    if (choice == dtype) return name;
  }
  return Name(dtype);
}

}  // namespace tandem
