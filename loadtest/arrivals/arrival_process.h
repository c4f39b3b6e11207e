#pragma once
// When the requests of an open loop are due, whatever the server does: offsets from the start of
// the run, ascending. Owned by the run; one thread.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

namespace tandem {

class ArrivalProcess {
 public:
  virtual ~ArrivalProcess() = default;
  // None once the last one was given.
  virtual std::optional<std::chrono::nanoseconds> Next() = 0;
};

// How the gaps between arrivals spread around their mean.
enum class Spacing : uint8_t {
  kConstant,
  kPoisson,  // exponential gaps: independent users
  kGamma     // burstiness below 1 clusters, above 1 evens out; 1 is Poisson (as vLLM's benchmark)
};

struct RateArrivals {
  Spacing spacing = Spacing::kPoisson;
  double rate = 1.0;               // a second, at the start
  std::optional<double> end_rate;  // reached at the end, in a straight line; none: constant
  double burstiness = 1.0;         // the gamma distribution's shape
  std::chrono::nanoseconds duration{};
  uint64_t seed = 0;
};

std::unique_ptr<ArrivalProcess> MakeArrivals(const RateArrivals& arrivals);

}  // namespace tandem
