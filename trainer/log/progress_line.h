#pragma once
// How a person at a terminal sees a training run: one line that is rewritten, or, in a file, a
// plain line now and then.
//
//   step 1,200/10,000 [==>            ] 12%  loss 3.2145  rate 3.0e-04  12.3k tokens/s  1h 02m left
//
// The training loop owns it and passes the clock. One thread; whoever else writes to the same
// stream calls Clear first.

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "trainer/trainer.h"

namespace tandem {

struct ProgressState {
  int64_t num_steps = 0;  // that are done
  int64_t total_steps = 0;
  std::optional<double> loss;  // none while every step was skipped
  double rate = 0.0;
  std::optional<double> tokens_per_second;
  std::optional<std::chrono::seconds> time_left;
};

// At most `columns` characters, all ASCII: first the bar goes, then what matters least.
std::string FormatProgress(const ProgressState& state, int columns);
// The same for a file: no bar, and all of it.
std::string FormatPlainProgress(const ProgressState& state);
// "[====>     ]", of `columns` characters; done and total as in "done of total".
std::string FormatBar(int64_t done, int64_t total, int columns);
// "45s", "3m 20s", "1h 02m", "2d 03h".
std::string FormatTimeLeft(std::chrono::seconds time);
// "950", "12.3k", "1.25M": about three digits.
std::string FormatRoughly(double number);

struct ProgressOptions {
  enum class Form : uint8_t { kRewritten, kPlainLines };
  Form form = Form::kPlainLines;  // kRewritten for terminals only
  std::function<int()> columns;   // asked at each rewriting, as windows change; null: 80
  int64_t first_step = 0;         // steps that were done before a resume
  int64_t total_steps = 0;
  int64_t window_steps = 50;                // that loss and speed are the mean over
  int64_t steps_per_plain_line = 100;       // a plain line comes after so many steps,
  std::chrono::seconds plain_interval{30};  // or so much time
  std::chrono::milliseconds rewrite_interval{200};
};

class ProgressLine {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // `out` outlives this. `now` is when the first step begins.
  ProgressLine(const ProgressOptions& options, std::ostream& out, TimePoint now);

  // After each step.
  void Update(const StepReport& report, TimePoint now);
  // Takes the rewritten line away; the next update that is due draws it again.
  void Clear();
  // Leaves the last state on a line of its own. Once.
  void Finish();

 private:
  struct Step {
    TimePoint end;
    int64_t num_tokens = 0;
    std::optional<double> loss;
  };
  ProgressState State() const;
  bool IsDue(TimePoint now) const;
  void Draw(TimePoint now);

  ProgressOptions options_;
  std::ostream& out_;
  std::deque<Step> window_;  // the first one is the end of the step before the window
  int64_t num_steps_ = 0;    // done, those before the resume included
  double rate_ = 0.0;
  std::optional<TimePoint> last_drawn_;
  int64_t last_drawn_step_ = 0;
  TimePoint start_;
  bool on_screen_ = false;  // a rewritten line stands there
};

}  // namespace tandem
