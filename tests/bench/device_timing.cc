#include "tests/bench/device_timing.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "tests/bench/timing.h"

namespace tandem {

namespace {

double SecondsOfCalls(Context& context, int64_t count, const std::function<void()>& call) {
  return SecondsOf([&] {
    for (int64_t i = 0; i < count; ++i) call();
    Synchronize(context);
  });
}

// Of one call: the median of samples that are each long enough for the clock.
double MedianOfSamples(Context& context, const DeviceTiming& timing, double once,
                       const std::function<void()>& call) {
  const auto count =
      std::clamp<int64_t>(static_cast<int64_t>(std::ceil(timing.sample_seconds / once)), 1, 10000);
  std::vector<double> seconds;
  double spent = 0;
  while (static_cast<int>(seconds.size()) < timing.num_samples) {
    if (seconds.size() >= 2 && spent > timing.most_seconds) break;
    const double took = SecondsOfCalls(context, count, call);
    spent += took;
    seconds.push_back(took / static_cast<double>(count));
  }
  return Median(seconds);
}

}  // namespace

double SecondsOfCall(Context& context, const DeviceTiming& timing, bool can_be_recorded,
                     const std::function<void()>& call) {
  constexpr double kClock = 1e-9;
  SecondsOfCalls(context, 2, call);  // scratch has its size, code and tables are loaded
  const double once = std::max(SecondsOfCalls(context, 3, call) / 3, kClock);
  if (!can_be_recorded || once > timing.recorded_below_seconds) {
    return MedianOfSamples(context, timing, once, call);
  }
  const int count = timing.recorded_calls;
  const Recording recording(context, [&] {
    for (int i = 0; i < count; ++i) call();
  });
  const auto replay = [&] { recording.Replay(context); };
  const double replayed = std::max(SecondsOfCalls(context, 1, replay), kClock);
  return MedianOfSamples(context, timing, replayed, replay) / count;
}

}  // namespace tandem
