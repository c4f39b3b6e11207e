#pragma once
// Single safetensors files, read and written. A model's directory, possibly in shards, is read by
// ReadSafetensors (tensor_table.h).

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "engine/weights/tensor_table.h"

namespace tandem {

// As ReadSafetensors, for one file: an adapter, an optimiser's state.
TensorTable ReadSafetensorsFile(const std::filesystem::path& path);

struct NamedTensor {
  std::string name;
  ConstTensorView view;  // on the CPU
};

// Writes a file that appears complete or not at all. The content depends on the arguments only, so
// equal tensors give equal bytes. Wider types come first, so every tensor is aligned in the file.
// Throws DeviceError when the disk refuses.
void WriteSafetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace tandem
