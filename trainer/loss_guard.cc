#include "trainer/loss_guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/core/error.h"

namespace tandem {

LossGuard::LossGuard(const LossGuardOptions& options, LossGuardState state)
    : options_(options), state_(std::move(state)), monitor_(state_.monitor) {}

GuardVerdict LossGuard::Observe(const StepReport& report) {
  GuardVerdict verdict;
  bool is_spike = false;
  if (report.scale_was_too_large) {  // no bad step; a row of them goes on over it
    if (state_.num_bad > 0) ++state_.num_bad;
    return verdict;
  }
  if (report.skipped) {
    ++state_.num_skipped;
    ++state_.num_bad;
  } else {
    const LossFindings findings = monitor_.Observe(report.loss);
    state_.monitor = monitor_.state();
    is_spike = IsSpike(report.loss, findings);
    state_.num_skipped = 0;
    state_.num_bad = is_spike ? state_.num_bad + 1 : 0;
    if (is_spike) {
      verdict.reason =
          fmt::format("the loss {:.4f} lies {:.1f} robust deviations above those before",
                      report.loss, *findings.z_score);
    }
    Advise(findings, verdict);
  }
  verdict.roll_back = (is_spike && state_.num_bad >= options_.spike_patience) ||
                      state_.num_skipped >= kMaxSkippedInARow;
  verdict.first_bad_step = report.step - state_.num_bad + 1;
  if (report.skipped) verdict.reason = *report.skipped;
  return verdict;
}

bool LossGuard::IsSpike(double loss, const LossFindings& findings) const {
  if (options_.spike_z <= 0.0 || findings.z_score.value_or(0.0) <= options_.spike_z) return false;
  std::vector<double> losses = state_.monitor.window;
  const auto middle = losses.begin() + static_cast<int64_t>(losses.size() / 2);
  std::nth_element(losses.begin(), middle, losses.end());
  return loss > *middle + kSmallestSpike;
}

void LossGuard::Advise(const LossFindings& findings, GuardVerdict& verdict) {
  if (findings.unstable && !told_unstable_) {
    told_unstable_ = true;
    verdict.advice.push_back(
        fmt::format("over the last {} steps some losses were more than twice the median: try a "
                    "lower --learning-rate, a longer warm-up or larger steps (--accumulate)",
                    kLossWindow));
  }
  if (findings.not_falling && !told_not_falling_) {
    told_not_falling_ = true;
    verdict.advice.push_back(
        "the loss has not fallen over the last steps: where that goes on, the rate is too high or "
        "too low, or the model has learned what it can from this data");
  }
}

void LossGuard::RollBack(const GuardVerdict& verdict, const LossGuardState* optional_saved) {
  if (state_.num_rollbacks >= options_.max_rollbacks) {
    throw ConfigError(fmt::format(
        "step {}: {}, after {} rollbacks (--max-rollbacks): start again with a lower "
        "--learning-rate, a longer --warmup-share, a smaller --max-norm or larger steps "
        "(--accumulate); look at the data too, as the log names what was skipped",
        verdict.first_bad_step + 1, verdict.reason, state_.num_rollbacks));
  }
  ++state_.num_rollbacks;
  state_.rate_factor *= options_.rate_factor;
  state_.num_bad = state_.num_skipped = 0;
  if (optional_saved == nullptr) return;
  state_.monitor = optional_saved->monitor;
  monitor_ = LossMonitor(state_.monitor);
}

}  // namespace tandem
