#pragma once
// Watches the losses of a run for what a person should look at. It judges and changes nothing. The
// training loop owns it and saves its state with a checkpoint, so that a resumed run gets the same
// findings. One thread.

#include <cstdint>
#include <optional>
#include <vector>

namespace tandem {

struct LossMonitorState {
  std::vector<double> window;   // the last finite losses, oldest first; at most kLossWindow
  int64_t num_since_check = 0;  // finite losses since the window was last judged
};

inline constexpr int64_t kLossWindow = 100;
// Fewer losses than this have no spread to speak of.
inline constexpr int64_t kMinLossesForZScore = 20;

struct LossFindings {
  // How far the newest loss lies from the median of those before it in the window, in robust
  // standard deviations (1.4826 times the median absolute deviation); positive is worse. Infinite
  // for a loss that is not finite, and for one beside losses that are all equal. None at the start.
  std::optional<double> z_score;
  // Judged once every kLossWindow losses, so that a person is told once.
  bool unstable = false;     // the window's maximum exceeds twice its median
  bool not_falling = false;  // the mean of the last 10 is not below that of the 10 before
};

class LossMonitor {
 public:
  explicit LossMonitor(LossMonitorState state = {});

  LossFindings Observe(double loss);
  const LossMonitorState& state() const { return state_; }

 private:
  LossMonitorState state_;
};

}  // namespace tandem
