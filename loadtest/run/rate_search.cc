#include "loadtest/run/rate_search.h"

#include <algorithm>
#include <cmath>

namespace tandem {
namespace {

constexpr int kMaxHalvings = 6;  // below the first rate, before giving up
constexpr int kMaxRounds = 20;   // of confirming and searching again

class Search {
 public:
  Search(const RateSearchLimits& limits, const std::function<bool(double)>& try_rate)
      : limits_(limits), try_rate_(try_rate) {}

  RateSearchResult Run() {
    double low = 0.0;   // holds
    double high = 0.0;  // does not; 0: none known
    Bracket(low, high);
    for (int round = 0; round < kMaxRounds && low > 0.0; ++round) {
      while (high > 0.0 && high - low > limits_.precision * low) {
        const double middle = std::sqrt(low * high);
        (Try(middle) ? low : high) = middle;
      }
      if (!Confirm(low)) {
        high = low;
        low = HighestThatHolds(high);
        if (low == 0.0) Descend(low, high);
      } else if (high > 0.0 && Confirm(high)) {
        low = high;
        high = LowestThatDoesNot(low);
        if (high == 0.0) Ascend(low, high);
      } else {
        break;
      }
    }
    result_.rate = low;
    result_.next_rate = high;
    return result_;
  }

 private:
  bool Try(double rate) {
    RateTries& tries = result_.tries[rate];
    ++tries.num_tries;
    if (try_rate_(rate)) ++tries.num_held;
    return tries.HoldsMostly();
  }

  bool Confirm(double rate) {
    while (result_.tries[rate].num_tries < limits_.repeats) Try(rate);
    return result_.tries[rate].HoldsMostly();
  }

  void Bracket(double& low, double& high) {
    if (Try(limits_.first_rate)) {
      low = limits_.first_rate;
      Ascend(low, high);
    } else {
      high = limits_.first_rate;
      Descend(low, high);
    }
  }
  void Ascend(double& low, double& high) {
    while (high == 0.0 && low < limits_.max_rate) {
      const double next = std::min(2.0 * low, limits_.max_rate);
      (Try(next) ? low : high) = next;
    }
  }
  void Descend(double& low, double& high) {
    for (int i = 0; low == 0.0 && i < kMaxHalvings; ++i) {
      const double next = high / 2.0;
      (Try(next) ? low : high) = next;
    }
  }

  double HighestThatHolds(double below) const {
    double best = 0.0;
    for (const auto& [rate, tries] : result_.tries) {
      if (rate < below && tries.HoldsMostly()) best = rate;
    }
    return best;
  }
  double LowestThatDoesNot(double above) const {
    for (const auto& [rate, tries] : result_.tries) {
      if (rate > above && !tries.HoldsMostly()) return rate;
    }
    return 0.0;
  }

  const RateSearchLimits limits_;
  const std::function<bool(double)>& try_rate_;
  RateSearchResult result_;
};

}  // namespace

RateSearchResult SearchRate(const RateSearchLimits& limits,
                            const std::function<bool(double)>& try_rate) {
  return Search(limits, try_rate).Run();
}

}  // namespace tandem
