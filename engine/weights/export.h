#pragma once
// From a model's weights to files: the other direction of loader.h.

#include <filesystem>

#include "engine/model/weights.h"
#include "kernels/core/context.h"

namespace tandem {

struct ExportArgs {
  const ModelConfig& config;
  ModelWeights& weights;  // only read; nobody writes it meanwhile
  DType dtype;            // of the tensors in the file: f32, bf16 or f16
};

// config.json and model.safetensors, as transformers reads them, in a directory that is made when
// it is not there. A tied output head is left out. Both files appear complete or not at all. Takes
// as much memory as the file has bytes, and one tensor in f32. Throws DeviceError when the disk
// refuses, and ConfigError, naming the tensor, where f16 cannot hold a value.
void ExportHuggingFace(Context& context, const ExportArgs& args,
                       const std::filesystem::path& directory);

// A state dict under MiniMind's names, as its programs load it (they write f16). A tied output head
// stands there too, and shares the embedding's storage. Throws as WritePth, and
// ConfigError where f16 cannot hold a value.
void ExportMiniMindPth(Context& context, const ExportArgs& args, const std::filesystem::path& path);

// The same for MiniMind's first code: under its names, and with its pairs of rows for RoPE
// (engine/weights/minimind_names.h).
void ExportFirstMiniMindPth(Context& context, const ExportArgs& args,
                            const std::filesystem::path& path);

}  // namespace tandem
