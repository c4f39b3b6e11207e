#pragma once
// The knobs of `tandem inspect`.

#include "api/cli/model_options.h"
#include "engine/base/settings.h"

namespace tandem {

inline constexpr char kInspectSummary[] = "Shows what a model directory holds.";

struct InspectOptions {
  ModelOptions model;  // its directory alone
  bool tensors = false;
};

void AddInspectSettings(Settings& settings, InspectOptions& options);

}  // namespace tandem
