#include "trainer/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/core/check.h"

namespace tandem {
namespace {

// From 1 to `last`, along a half cosine or a line.
double Cosine(double progress, double last) {
  return last + (1.0 - last) / 2.0 * (1.0 + std::cos(std::numbers::pi * progress));
}

double Line(double progress, double last) { return 1.0 + (last - 1.0) * progress; }

// The share of the rate at `progress` in [0, 1] after warm-up.
double ShareAt(const Schedule& schedule, double progress) {
  switch (schedule.kind) {
    case ScheduleKind::kCosine:
      return Cosine(progress, schedule.final_share);
    case ScheduleKind::kCosineMiniMind2:
      return 0.1 + 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
    case ScheduleKind::kWsd: {
      const double stable = 1.0 - schedule.wsd_decay_share;
      if (progress <= stable) return 1.0;
      return Line((progress - stable) / schedule.wsd_decay_share, schedule.final_share);
    }
    case ScheduleKind::kLinear:
      return Line(progress, schedule.final_share);
    case ScheduleKind::kConstant:
      return 1.0;
  }
  return 1.0;
}

}  // namespace

std::string_view Name(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::kCosine:
      return "cosine";
    case ScheduleKind::kCosineMiniMind2:
      return "cosine_minimind2";
    case ScheduleKind::kWsd:
      return "wsd";
    case ScheduleKind::kLinear:
      return "linear";
    case ScheduleKind::kConstant:
      return "constant";
  }
  return "";
}

double RateAt(const Schedule& schedule, int64_t t) {
  CHECK(t >= 0 && schedule.num_steps >= 1, t, schedule.num_steps);
  if (t < schedule.warmup_steps) {
    return schedule.rate * static_cast<double>(t + 1) / static_cast<double>(schedule.warmup_steps);
  }
  const auto left = static_cast<double>(schedule.num_steps - schedule.warmup_steps);
  const double progress =
      left > 0 ? std::min(static_cast<double>(t - schedule.warmup_steps) / left, 1.0) : 1.0;
  return schedule.rate * ShareAt(schedule, progress);
}

}  // namespace tandem
