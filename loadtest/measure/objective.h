#pragma once
// A service level as people write it: "p95(e2e)<500ms", "mean(tpot)<=20ms,errors<1%,good>=99%".
// Requests without an answer count as infinitely slow in percentiles of ttft and e2e. Plain data.

#include <string>
#include <vector>

#include "loadtest/measure/measures.h"

namespace tandem {

struct Objective {
  enum class Statistic : uint8_t { kQuantile, kMean, kMax, kErrors, kGood };

  std::string text;
  Statistic statistic = Statistic::kQuantile;
  double share = 0.0;  // of kQuantile
  Metric metric = Metric::kE2e;
  bool is_upper = true;  // the value must be below the limit
  bool takes_equal = false;
  double limit = 0.0;  // milliseconds, or a share

  double ValueOf(const Measures& measures) const;
  bool Holds(const Measures& measures) const;
  std::string ValueText(const Measures& measures) const;  // "312.40 ms", "0.5 %", "never"
};

// Separated by commas. ConfigError that names the part and how it is written.
std::vector<Objective> ParseObjectives(const std::string& text);

bool HoldAll(const std::vector<Objective>& objectives, const Measures& measures);

}  // namespace tandem
