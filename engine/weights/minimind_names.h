#pragma once
// The names under which MiniMind's .pth files hold their tensors, made those of Hugging Face, which
// ForEachParameter (engine/model/weights.h) uses. Today's files have them already, maybe behind a
// wrapper's prefix. Those of the first code (to April 2025) have names of their own, and pair
// neighbouring rows of wq and wk for RoPE, not rows half a head apart.

#include <string>
#include <string_view>

#include "engine/config/model_config.h"
#include "engine/weights/tensor_table.h"

namespace tandem {

// "layers.0.attention.wq.weight" and the like. The file does not say the heads nor RoPE's theta:
// whoever made `config` was told them.
bool HasFirstMiniMindNames(const TensorTable& table);

// Takes "module." (several devices) and "_orig_mod." (torch.compile) off the names; renames the
// tensors of the first code and puts the rows of its wq and wk in today's order, in copies. Throws
// FormatError, naming `where`, when a name becomes another's or the heads do not fit.
void UseHuggingFaceNames(const ModelConfig& config, const std::string& where, TensorTable* table);

// The other direction: the first code's name of a parameter of today ("model.norm.weight"), and the
// rows of a wq or wk [heads * head_dim, columns] as it wants them. Of shared experts it has one.
std::string FirstMiniMindName(std::string_view today);
bool HasRotatedRows(std::string_view today);
Tensor WithPairsTogether(const ConstTensorView& halves, int64_t head_dim);

}  // namespace tandem
