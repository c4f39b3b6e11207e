#include "loadtest/arrivals/arrival_process.h"

#include <cmath>

#include "loadtest/random_draws.h"

namespace tandem {
namespace {

using std::chrono::nanoseconds;

// Draws in a time that passes at one arrival a unit, and turns it into seconds through the integral
// of the rate: any spacing, along any ramp.
class RateProcess final : public ArrivalProcess {
 public:
  explicit RateProcess(const RateArrivals& arrivals)
      : arrivals_(arrivals),
        draws_(arrivals.seed),
        slope_((arrivals.end_rate.value_or(arrivals.rate) - arrivals.rate) /
               std::chrono::duration<double>(arrivals.duration).count()) {}

  std::optional<nanoseconds> Next() override {
    expected_ += Gap();
    // The inverse of rate t + slope t^2 / 2, in the form that a slope of 0 does not break.
    const double square = arrivals_.rate * arrivals_.rate + 2.0 * slope_ * expected_;
    if (square < 0.0) return std::nullopt;  // a ramp to 0 ends before
    const double sum = arrivals_.rate + std::sqrt(square);
    const double seconds = expected_ == 0.0 ? 0.0 : 2.0 * expected_ / sum;
    const double limit = std::chrono::duration<double>(arrivals_.duration).count();
    if (!(seconds < limit)) return std::nullopt;
    return std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(seconds));
  }

 private:
  double Gap() {
    switch (arrivals_.spacing) {
      case Spacing::kConstant: {
        const double gap = started_ ? 1.0 : 0.0;
        started_ = true;
        return gap;
      }
      case Spacing::kPoisson:
        return draws_.Exponential();
      case Spacing::kGamma:
        return draws_.Gamma(arrivals_.burstiness) / arrivals_.burstiness;
    }
    return 1.0;
  }

  const RateArrivals arrivals_;
  RandomDraws draws_;
  const double slope_;     // of the rate, a second
  double expected_ = 0.0;  // integral of the rate up to the last arrival
  bool started_ = false;   // the first constant arrival is at 0
};

}  // namespace

std::unique_ptr<ArrivalProcess> MakeArrivals(const RateArrivals& arrivals) {
  return std::make_unique<RateProcess>(arrivals);
}

}  // namespace tandem
