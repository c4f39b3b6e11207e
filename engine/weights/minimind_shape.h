#pragma once
// What a MiniMind .pth file tells of its model, which has no config.json: every size that the
// tensors' shapes show. What they do not show follows from the published models, or is told.

#include <optional>
#include <string>

#include "engine/config/model_config.h"
#include "engine/weights/tensor_table.h"

namespace tandem {

// None: as in the published models.
struct MiniMindSettings {
  std::optional<int64_t> num_heads;      // MiniMind2's only; minimind-3's follow from its norms
  std::optional<double> rope_theta;      // 1e6; 1e4 where kv heads are half of the heads
  std::optional<int64_t> top_k;          // experts a token: 2 in MiniMind2, 1 in minimind-3
  std::optional<int64_t> max_positions;  // 32768
  std::optional<double> norm_eps;        // 1e-5 in MiniMind2, 1e-6 in minimind-3
};

// For a table as ReadPth gives it, whatever its names (engine/weights/minimind_names.h). Throws
// FormatError, naming `where`, when the tensors that tell are not there or fit no config.
ModelConfig MiniMindConfigOf(const TensorTable& table, const MiniMindSettings& settings,
                             const std::string& where);

}  // namespace tandem
