// tandem inspect: what a model directory holds, and what it will take in memory.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <ostream>

#include "api/cli/command_line.h"
#include "api/cli/command_settings.h"
#include "api/cli/inspect_options.h"
#include "api/cli/model_options.h"
#include "engine/base/quantity.h"
#include "engine/config/model_config.h"
#include "engine/weights/tensor_table.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

std::string ShapeText(const ConstTensorView& view) {
  std::string text = "[";
  for (int i = 0; i < view.shape().rank(); ++i) {
    text += fmt::format("{}{}", i > 0 ? ", " : "", view.dim(i));
  }
  return text + "]";
}

void PrintArchitecture(const ModelConfig& config, std::ostream& out) {
  out << fmt::format("architecture      {}\n", Name(config.architecture));
  out << fmt::format("parameters        {}\n", FormatCount(config.num_parameters()));
  out << fmt::format("layers            {}\n", config.num_layers);
  out << fmt::format("hidden size       {}\n", config.hidden_size);
  out << fmt::format("heads             {} of {}, {} for keys and values\n", config.num_heads,
                     config.head_dim, config.num_kv_heads);
  out << fmt::format("feed-forward      {}\n", config.intermediate_size);
  if (config.moe.num_experts > 0) {
    out << fmt::format("experts           {}, {} a token, {} shared\n", config.moe.num_experts,
                       config.moe.top_k, config.moe.num_shared);
  }
  out << fmt::format("vocabulary        {}{}\n", config.vocab_size,
                     config.tie_embeddings ? ", embeddings tied" : "");
  out << fmt::format("context           {} tokens\n", config.max_context());
}

void PrintTotals(const TensorTable& table, std::ostream& out) {
  std::map<std::string, std::pair<int64_t, int64_t>> by_dtype;  // tensors, bytes
  for (const auto& [name, entry] : table.entries()) {
    auto& [count, bytes] = by_dtype[std::string(Name(entry.view.dtype()))];
    ++count;
    bytes += entry.view.size_bytes();
  }
  out << fmt::format("files             {} with {} tensors, {}\n", table.num_files(),
                     table.entries().size(), FormatBytes(table.size_bytes()));
  for (const auto& [name, total] : by_dtype) {
    out << fmt::format("  {:<16}{} tensors, {}\n", name, total.first, FormatBytes(total.second));
  }
}

void PrintTensors(const TensorTable& table, std::ostream& out) {
  size_t width = 0;
  for (const auto& [name, entry] : table.entries()) width = std::max(width, name.size());
  for (const auto& [name, entry] : table.entries()) {
    out << fmt::format("{:<{}}  {:<5} {}\n", name, width, Name(entry.view.dtype()),
                       ShapeText(entry.view));
  }
}

// Matrices in `dtype` (int8 with one scale a row), vectors in f32.
int64_t WeightBytes(const TensorTable& table, DType dtype) {
  int64_t bytes = 0;
  for (const auto& [name, entry] : table.entries()) {
    const ConstTensorView& view = entry.view;
    const bool matrix = view.shape().rank() >= 2;
    bytes += view.num_elements() * SizeOf(matrix ? dtype : DType::kF32);
    if (matrix && dtype == DType::kI8 && view.num_elements() > 0) {
      bytes += view.num_elements() / view.dim(view.shape().rank() - 1) * 4;
    }
  }
  return bytes;
}

void PrintMemory(const ModelConfig& config, const TensorTable& table, std::ostream& out) {
  out << "memory, before padding\n";
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF16, DType::kI8}) {
    out << fmt::format("  {:<16}{} of weights\n", OptionName(dtype),
                       FormatBytes(WeightBytes(table, dtype)));
  }
  const int64_t values = 2 * config.num_layers * config.num_kv_heads * config.head_dim;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const int64_t token = values * SizeOf(dtype);
    out << fmt::format("  {:<16}{} of keys and values a token, {} a full context\n",
                       OptionName(dtype), FormatBytes(token),
                       FormatBytes(token * config.max_context()));
  }
}

}  // namespace

void AddInspectSettings(Settings& settings, InspectOptions& options) {
  settings.AddPositional(
      "model", &options.model.model,
      {.help = "model directory; without it the default model", .value_name = "DIR"});
  settings.Add("tensors", &options.tensors, {.help = "list every tensor"});
}

int Inspect(const CommandLine& line) {
  InspectOptions options;
  Settings settings("tandem inspect", kInspectSummary);
  AddInspectSettings(settings, options);
  IgnoreOtherCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  const std::filesystem::path directory = FindModelDirectory(options.model);
  const ModelConfig config = ReadModelConfig(directory);
  const TensorTable table = ReadSafetensors(directory);
  PrintArchitecture(config, line.out);
  PrintTotals(table, line.out);
  PrintMemory(config, table, line.out);
  if (options.tensors) PrintTensors(table, line.out);
  return 0;
}

}  // namespace tandem
