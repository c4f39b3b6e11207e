#pragma once
// From a checkpoint's named tensors to a model's weights.

#include <string>

#include "engine/model/weights.h"
#include "engine/weights/tensor_table.h"
#include "kernels/core/context.h"

namespace tandem {

// Packs every tensor of `table` into weights of the given dtype (f32, f16, bf16 or i8). What is
// missing, unexpected or of the wrong shape is listed together in one FormatError; `where` names
// the checkpoint in it. File pages are dropped as they are consumed.
ModelWeights LoadWeights(Context& context, const TensorTable& table, const ModelConfig& config,
                         DType dtype, const std::string& where);

}  // namespace tandem
