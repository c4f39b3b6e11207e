#pragma once
// Rotary position embedding (Su et al., 2021), half-split pairing (element i with i + head_dim/2),
// and the frequency scalings that extend a model's context. Frequencies are computed on the host;
// the table of cosines and sines grows as positions are used.

#include <cstdint>
#include <vector>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

enum class RopeScaling : uint8_t {
  kNone,
  kLinear,        // every frequency divided by factor
  kLlama3,        // by wavelength: high kept, low divided, smooth between (Llama 3.1)
  kYarn,          // Hugging Face's form (Peng et al., 2023); always applied
  kYarnMiniMind,  // MiniMind's code: ramp bound d/2 - 1, only when the table is longer than
                  // original
  kYarnTutorial,  // MiniMind's tutorial form: per-dimension beta, only when the table is longer
};

struct RopeConfig {
  int64_t head_dim = 0;
  double theta = 10000.0;
  int64_t max_positions = 0;  // the context length the model is used with
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1.0;
  int64_t original_max_positions = 0;  // llama3, yarn forms; 0: max_positions
  double low_freq_factor = 1.0;        // llama3
  double high_freq_factor = 4.0;       // llama3
  double beta_fast = 32.0;             // yarn forms
  double beta_slow = 1.0;              // yarn forms
  double attention_factor =
      0.0;               // yarn forms; 0: the form's default (HF 0.1 ln(factor) + 1, MiniMind 1)
  bool truncate = true;  // kYarn: round the ramp's bounds outward
  friend bool operator==(const RopeConfig&, const RopeConfig&) = default;
};

// Throws ConfigError when a field is out of its range (message names it).
void Validate(const RopeConfig& config);

// Radians per position for each of head_dim/2 pairs; formulas in facts cited at the definition.
std::vector<float> RopeFrequencies(const RopeConfig& config);
// What cosines and sines are multiplied with.
float RopeAmplitude(const RopeConfig& config);

// Cosine and sine rows by position, filled on demand. angle = float(position) * frequency in f32
// (as the reference implementations do), then cos/sin of that in double, on the host; a device gets
// a copy. Owned by the model; Reserve is called by the thread that runs steps, before the step.
class RopeTable {
 public:
  explicit RopeTable(const RopeConfig& config, Device device = kCpuDevice);
  const RopeConfig& config() const { return config_; }
  // Makes positions [0, count) available on the table's device, which is the context's. count <=
  // config.max_positions.
  void Reserve(Context& context, int64_t count);
  void Reserve(int64_t count);  // on the CPU
  int64_t num_ready() const { return num_ready_; }
  // [num_ready, head_dim]: head_dim/2 cosines, then head_dim/2 sines; on the table's device.
  ConstTensorView rows() const;

 private:
  void Fill(int64_t count);

  RopeConfig config_;
  std::vector<float> frequencies_;
  float amplitude_ = 1.0f;
  int64_t num_ready_ = 0;
  Buffer values_;  // max_positions rows of virtual memory, touched as far as ready
  Buffer copy_;    // of values_, on another device than the CPU
};

enum class RopeDirection : uint8_t {
  kForward,
  kBackward,  // the transposed rotation: from the gradient of the result to that of x
};

struct RopeArgs {
  ConstTensorView positions;  // [tokens], i32, each < table.num_ready()
  const RopeTable& table;
  TensorView x;  // [tokens, heads, head_dim], f32, in place
  RopeDirection direction = RopeDirection::kForward;
};

void Rope(Context& context, const RopeArgs& args);

}  // namespace tandem
