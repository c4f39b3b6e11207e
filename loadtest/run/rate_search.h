#pragma once
// Looks for the highest rate at which a service level holds: doubles from the first rate until it
// does not, halves the gap until its ends are within the precision, then tries both ends again, so
// that one lucky or unlucky run decides nothing. Owns no measuring: `try_rate` does that.

#include <functional>
#include <map>

namespace tandem {

struct RateSearchLimits {
  double first_rate = 10.0;
  double max_rate = 10'000.0;
  double precision = 0.05;  // of the rate
  int repeats = 3;          // tries of the rate that is found, and of the next higher
};

struct RateTries {
  int num_tries = 0;
  int num_held = 0;

  bool HoldsMostly() const { return 2 * num_held > num_tries; }
};

struct RateSearchResult {
  double rate = 0.0;       // 0: not even the lowest that was tried
  double next_rate = 0.0;  // the lowest that does not hold; 0: max_rate holds
  std::map<double, RateTries> tries;
};

// `try_rate` says whether the level held in one run.
RateSearchResult SearchRate(const RateSearchLimits& limits,
                            const std::function<bool(double)>& try_rate);

}  // namespace tandem
