#include "trainer/log/progress_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ostream>
#include <string_view>
#include <vector>

#include "engine/base/quantity.h"
#include "kernels/core/check.h"

namespace tandem {
namespace {

constexpr int kDefaultColumns = 80;
constexpr int kMinBarColumns = 12;
constexpr int kMaxBarColumns = 40;
constexpr std::string_view kEraseToEnd = "\x1b[K";

int Columns(std::string_view text) { return static_cast<int>(text.size()); }  // ASCII

// In the order of the line, each with a rank: where the line is too narrow, the highest goes first.
struct Part {
  std::string text;
  int rank = 0;
};

std::vector<Part> PartsOf(const ProgressState& state) {
  std::vector<Part> parts;
  if (state.loss) parts.push_back({fmt::format("loss {:.4f}", *state.loss), 1});
  parts.push_back({fmt::format("rate {:.1e}", state.rate), 4});
  if (state.tokens_per_second) {
    parts.push_back({FormatRoughly(*state.tokens_per_second) + " tokens/s", 3});
  }
  if (state.time_left) parts.push_back({FormatTimeLeft(*state.time_left) + " left", 2});
  return parts;
}

std::string StepText(const ProgressState& state) {
  return fmt::format("step {}/{}", FormatCount(state.num_steps), FormatCount(state.total_steps));
}

std::string PercentText(const ProgressState& state) {
  return fmt::format("{}%", state.total_steps > 0 ? 100 * state.num_steps / state.total_steps : 0);
}

// The longest line of whole parts that fits beside the step.
std::string FittingParts(const ProgressState& state, int columns) {
  const std::vector<Part> parts = PartsOf(state);
  for (int lowest_rank_out = 5; lowest_rank_out > 1; --lowest_rank_out) {
    std::string line;
    for (const Part& part : parts) {
      if (part.rank < lowest_rank_out) line += (line.empty() ? "" : "  ") + part.text;
    }
    if (Columns(line) <= columns) return line;
  }
  return "";
}

}  // namespace

std::string FormatRoughly(double number) {
  constexpr std::array<std::string_view, 5> kUnits = {"", "k", "M", "G", "T"};
  size_t unit = 0;
  // What rounds to 1000 belongs to the next unit.
  for (; number >= 999.5 && unit + 1 < kUnits.size(); ++unit) number /= 1000.0;
  if (unit == 0) return fmt::format("{:.0f}", number);
  const int decimals = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}{}", number, decimals, kUnits[unit]);
}

std::string FormatTimeLeft(std::chrono::seconds time) {
  const int64_t seconds = time.count();
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m {:02}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h {:02}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d {:02}h", seconds / 86400, seconds / 3600 % 24);
}

std::string FormatBar(int64_t done, int64_t total, int columns) {
  const auto inner = static_cast<size_t>(std::max(columns - 2, 0));
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0.0;
  const auto full = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(inner));
  std::string bar(full, '=');
  if (full < inner) bar += '>';
  bar.resize(inner, ' ');
  return "[" + bar + "]";
}

std::string FormatProgress(const ProgressState& state, int columns) {
  const std::string step = StepText(state);
  const std::string share = PercentText(state);
  const std::string rest = FittingParts(state, columns - Columns(step) - 2);
  const std::string line = rest.empty() ? step : step + "  " + rest;
  const int bar_columns = columns - Columns(line) - Columns(share) - 2;
  if (bar_columns < kMinBarColumns) {
    return line.substr(0, static_cast<size_t>(std::max(columns, 0)));
  }
  const std::string bar =
      FormatBar(state.num_steps, state.total_steps, std::min(bar_columns, kMaxBarColumns));
  return step + " " + bar + " " + share + line.substr(step.size());
}

std::string FormatPlainProgress(const ProgressState& state) {
  std::string line = StepText(state) + " (" + PercentText(state) + ")";
  for (const Part& part : PartsOf(state)) line += "  " + part.text;
  return line;
}

ProgressLine::ProgressLine(const ProgressOptions& options, std::ostream& out, TimePoint now)
    : options_(options), out_(out), num_steps_(options.first_step), start_(now) {
  CHECK(options_.window_steps >= 1, options_.window_steps);
  last_drawn_step_ = num_steps_;
  window_.push_back({.end = now});
}

void ProgressLine::Update(const StepReport& report, TimePoint now) {
  Step step{.end = now, .num_tokens = report.num_tokens};
  if (!report.skipped && std::isfinite(report.loss)) step.loss = report.loss;
  window_.push_back(step);
  if (std::ssize(window_) > options_.window_steps + 1) window_.pop_front();
  num_steps_ = report.step + 1;
  rate_ = report.rate;
  if (IsDue(now)) Draw(now);
}

bool ProgressLine::IsDue(TimePoint now) const {
  switch (options_.form) {
    case ProgressOptions::Form::kRewritten:
      return !last_drawn_ || now - *last_drawn_ >= options_.rewrite_interval;
    case ProgressOptions::Form::kPlainLines:
      return num_steps_ - last_drawn_step_ >= options_.steps_per_plain_line ||
             now - last_drawn_.value_or(start_) >= options_.plain_interval;
  }
  return false;
}

ProgressState ProgressLine::State() const {
  ProgressState state{.num_steps = num_steps_, .total_steps = options_.total_steps, .rate = rate_};
  double loss = 0.0;
  int64_t num_losses = 0;
  int64_t num_tokens = 0;
  for (size_t i = 1; i < window_.size(); ++i) {
    num_tokens += window_[i].num_tokens;
    if (!window_[i].loss) continue;
    loss += *window_[i].loss;
    ++num_losses;
  }
  if (num_losses > 0) state.loss = loss / static_cast<double>(num_losses);
  const std::chrono::duration<double> time = window_.back().end - window_.front().end;
  if (time.count() <= 0.0) return state;
  state.tokens_per_second = static_cast<double>(num_tokens) / time.count();
  const auto seconds_a_step = time / static_cast<double>(window_.size() - 1);
  const int64_t steps_left = std::max<int64_t>(options_.total_steps - num_steps_, 0);
  state.time_left =
      std::chrono::round<std::chrono::seconds>(seconds_a_step * static_cast<double>(steps_left));
  return state;
}

void ProgressLine::Draw(TimePoint now) {
  last_drawn_ = now;
  last_drawn_step_ = num_steps_;
  if (options_.form == ProgressOptions::Form::kPlainLines) {
    out_ << FormatPlainProgress(State()) + "\n" << std::flush;
    return;
  }
  // The last column stays free, as some terminals begin a new line there. One write, and the rest
  // of the old line is erased after the new one is there: nothing flickers.
  const int columns = (options_.columns ? options_.columns() : kDefaultColumns) - 1;
  out_ << "\r" + FormatProgress(State(), columns) + std::string(kEraseToEnd) << std::flush;
  on_screen_ = true;
}

void ProgressLine::Clear() {
  if (!on_screen_) return;
  out_ << "\r" + std::string(kEraseToEnd) << std::flush;
  on_screen_ = false;
}

void ProgressLine::Finish() {
  if (num_steps_ == options_.first_step) return;
  const bool rewritten = options_.form == ProgressOptions::Form::kRewritten;
  const bool is_shown = last_drawn_step_ == num_steps_ && (on_screen_ || !rewritten);
  if (!is_shown) Draw(window_.back().end);
  if (rewritten) out_ << '\n' << std::flush;
  on_screen_ = false;
}

}  // namespace tandem
