#pragma once
// What export and import share: which dtype a file gets, and that nothing is replaced by accident.

#include <filesystem>
#include <optional>
#include <string>

#include "engine/base/settings.h"
#include "engine/weights/tensor_table.h"
#include "kernels/core/dtype.h"

namespace tandem {

// --dtype auto|f32|bf16|fp16; `of_auto`: what auto means, in its help.
void AddStoredDTypeSetting(Settings& settings, std::optional<DType>* dtype,
                           const std::string& of_auto);

// Of most bytes in a checkpoint, where it is one that we write; else f32.
DType StoredDType(const TensorTable& table);

// Throws ConfigError where a file, or a directory that is not empty, is there already.
void CheckNothingThere(const std::filesystem::path& output);

}  // namespace tandem
