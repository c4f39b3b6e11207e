#include "trainer/log/loss_monitor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/core/check.h"

namespace tandem {
namespace {

constexpr int64_t kRecentLosses = 10;

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2.0;
}

double RobustZScore(const std::vector<double>& window, double loss) {
  const double median = Median(window);
  std::vector<double> deviations;
  for (const double other : window) deviations.push_back(std::abs(other - median));
  const double spread = 1.4826 * Median(std::move(deviations));  // sigma, were they normal
  if (loss == median) return 0.0;
  return spread > 0.0 ? (loss - median) / spread
                      : std::copysign(std::numeric_limits<double>::infinity(), loss - median);
}

double SumOf(std::vector<double>::const_iterator begin) {
  return std::accumulate(begin, begin + kRecentLosses, 0.0);
}

bool IsNotFalling(const std::vector<double>& window) {
  return SumOf(window.end() - kRecentLosses) >= SumOf(window.end() - 2 * kRecentLosses);
}

}  // namespace

LossMonitor::LossMonitor(LossMonitorState state) : state_(std::move(state)) {
  CHECK(std::ssize(state_.window) <= kLossWindow, state_.window.size());
}

LossFindings LossMonitor::Observe(double loss) {
  std::vector<double>& window = state_.window;
  LossFindings findings;
  if (!std::isfinite(loss)) {  // says nothing of the losses around it
    findings.z_score = std::numeric_limits<double>::infinity();
    return findings;
  }
  if (std::ssize(window) >= kMinLossesForZScore) findings.z_score = RobustZScore(window, loss);
  if (std::ssize(window) == kLossWindow) window.erase(window.begin());
  window.push_back(loss);
  if (++state_.num_since_check < kLossWindow || std::ssize(window) < kLossWindow) return findings;
  state_.num_since_check = 0;
  findings.unstable = *std::ranges::max_element(window) > 2.0 * Median(window);
  findings.not_falling = IsNotFalling(window);
  return findings;
}

}  // namespace tandem
