#pragma once
// Models that take a moment on the fake GPU.

#include <ostream>
#include <string>

#include "engine/model/weights.h"
#include "tests/support/random_model.h"

namespace tandem {

inline ModelConfig SmallDenseConfig() {
  ModelConfig config = Stories260KConfig();
  config.num_layers = 2;
  config.windows.assign(2, 0);
  return config;
}

inline ModelWeights SmallWeights(const ModelConfig& config, DType dtype) {
  ThreadPool pool(1);
  Workspace workspace;
  Context context{.pool = pool, .workspace = workspace};
  return RandomWeights(context, config, dtype, 5);
}

struct ModelCase {
  std::string name;
  ModelConfig config;
  DType dtype;
};

inline void PrintTo(const ModelCase& c, std::ostream* out) { *out << c.name; }

}  // namespace tandem
