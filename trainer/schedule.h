#pragma once
// The learning rate as a function of the step. Pure; any thread.

#include <cstdint>
#include <string_view>

namespace tandem {

enum class ScheduleKind : uint8_t {
  kCosine,           // rate * (0.1 + 0.45 (1 + cos(pi p))): from rate to a tenth of it
  kCosineMiniMind2,  // rate * (0.1 + 0.5 (1 + cos(pi p))): from 1.1 rate to a tenth of it
  kWsd,              // warm-up, stable, decay: constant, then linearly down (Hu et al., 2024)
  kLinear,           // linearly down
  kConstant,
};

std::string_view Name(ScheduleKind kind);

struct Schedule {
  ScheduleKind kind = ScheduleKind::kCosine;
  double rate = 5e-4;
  int64_t num_steps = 1;         // at least 1
  int64_t warmup_steps = 0;      // linearly from rate / warmup_steps to rate
  double final_share = 0.1;      // of rate, at the end: cosine, wsd and linear
  double wsd_decay_share = 0.2;  // of the steps after warm-up that wsd decays in
};

// Of step t, counted from 0. p = (t - warmup_steps) / (num_steps - warmup_steps), at most 1.
double RateAt(const Schedule& schedule, int64_t t);

}  // namespace tandem
