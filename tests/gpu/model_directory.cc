#include "tests/gpu/model_directory.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/weights/safetensors.h"
#include "kernels/core/error.h"
#include "tests/gpu/check_files.h"
#include "tests/support/device_context.h"
#include "trainer/initialise.h"
#include "trainer/training_weights.h"

namespace tandem {

std::filesystem::path WriteCheckFile(const std::string& name, const std::filesystem::path& folder,
                                     const std::string& as) {
  for (const PageFile& file : CheckFiles()) {
    if (file.name != name) continue;
    const std::filesystem::path path = folder / (as.empty() ? name : as);
    std::ofstream out(path, std::ios::binary);
    out.write(file.bytes.data(), static_cast<std::streamsize>(file.bytes.size()));
    if (!out.flush()) throw DeviceError("cannot write " + path.string());
    return path;
  }
  throw ConfigError("no file " + name + " was compiled into this program");
}

namespace {

// One layer, and everything else narrow but the vocabulary.
void MakeTiny(const std::filesystem::path& config_file) {
  nlohmann::json config = nlohmann::json::parse(std::ifstream(config_file));
  config["hidden_size"] = 64;
  config["num_hidden_layers"] = 1;
  config["num_attention_heads"] = 4;
  config["intermediate_size"] = 96;
  config["max_position_embeddings"] = 256;
  std::ofstream(config_file) << config;
}

}  // namespace

std::filesystem::path ModelDirectory(const std::filesystem::path& folder, bool tiny) {
  const std::filesystem::path directory = folder / (tiny ? "minimind2-tiny" : "minimind2-26m");
  if (std::filesystem::exists(directory / "model.safetensors")) return directory;
  std::filesystem::create_directories(directory);
  const std::filesystem::path config_file =
      WriteCheckFile("minimind2-26m.json", directory, "config.json");
  if (tiny) MakeTiny(config_file);
  WriteCheckFile("tokenizer.json", directory);
  WriteCheckFile("tokenizer_config.json", directory);
  const ModelConfig config = ReadModelConfig(directory);
  DeviceContext context(kCpuDevice);
  ModelWeights compute = AllocateWeights(config, DType::kF32);
  TrainingWeights weights(context, compute);
  InitialiseWeights(config, InitKind::kPyTorch, 1, weights.masters());
  std::vector<NamedTensor> tensors;
  ForEachParameter(config, weights.masters(), [&](const ParameterOf<Tensor>& parameter) {
    Tensor& tensor = parameter.matrix != nullptr ? *parameter.matrix : *parameter.vector;
    tensors.push_back(
        {parameter.name, tensor.view().Rows(parameter.first_row, parameter.shape[0])});
  });
  WriteSafetensors(directory / "model.safetensors", tensors);
  return directory;
}

}  // namespace tandem
