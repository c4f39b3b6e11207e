#include "trainer/loop_state.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>
#include <random>
#include <string_view>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

// A number from `least` to `most`; NaN is not.
template <typename Number>
struct Range {
  Number least;
  Number most;
};
constexpr Range<int64_t> kCounts{.least = 0, .most = int64_t{1} << 53};
constexpr Range<double> kFinite{.least = std::numeric_limits<double>::lowest(),
                                .most = std::numeric_limits<double>::max()};
constexpr Range<double> kFactors{.least = std::numeric_limits<double>::min(), .most = 1.0};

template <typename Number>
Number ParseNumber(std::string_view text, const Range<Number>& range, const std::string& what) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (is_number && number >= range.least && number <= range.most) return number;
  throw FormatError(fmt::format("{} is {}, not a number from {} to {}", what, Quoted(text, 100),
                                range.least, range.most));
}

std::vector<double> ParseLosses(std::string_view text, const std::string& what) {
  std::vector<double> losses;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    losses.push_back(ParseNumber(text.substr(0, end), kFinite, what));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (std::ssize(losses) <= kLossWindow) return losses;
  throw FormatError(
      fmt::format("{} has {} losses; the limit is {}", what, losses.size(), kLossWindow));
}

bool IsRunId(std::string_view text) {
  return text.size() <= 100 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == text.npos;
}

}  // namespace

std::map<std::string, std::string> FormatLoopState(const LoopState& state) {
  const LossGuardState& guard = state.guard;
  return {{"run_id", state.run_id},
          {"of_a_stop", state.is_of_a_stop ? "yes" : "no"},
          {"guard.losses", fmt::format("{}", fmt::join(guard.monitor.window, " "))},
          {"guard.losses_since_check", fmt::to_string(guard.monitor.num_since_check)},
          {"guard.bad", fmt::to_string(guard.num_bad)},
          {"guard.skipped", fmt::to_string(guard.num_skipped)},
          {"guard.rollbacks", fmt::to_string(guard.num_rollbacks)},
          {"guard.rate_factor", fmt::to_string(guard.rate_factor)}};
}

LoopState ParseLoopState(const std::map<std::string, std::string>& carried,
                         const std::string& where) {
  LoopState state;
  LossGuardState& guard = state.guard;
  for (const auto& [name, text] : carried) {
    const std::string what = fmt::format("{}: carried.{}", where, Printable(name, 100));
    const auto count = [&] { return ParseNumber(text, kCounts, what); };
    if (name == "run_id" && IsRunId(text)) {
      state.run_id = text;
    } else if (name == "of_a_stop" && (text == "yes" || text == "no")) {
      state.is_of_a_stop = text == "yes";
    } else if (name == "guard.losses") {
      guard.monitor.window = ParseLosses(text, what);
    } else if (name == "guard.losses_since_check") {
      guard.monitor.num_since_check = count();
    } else if (name == "guard.bad") {
      guard.num_bad = count();
    } else if (name == "guard.skipped") {
      guard.num_skipped = count();
    } else if (name == "guard.rollbacks") {
      guard.num_rollbacks = count();
    } else if (name == "guard.rate_factor") {
      guard.rate_factor = ParseNumber(text, kFactors, what);
    } else {
      throw FormatError(
          fmt::format("{} is {}, which this program does not know", what, Quoted(text, 100)));
    }
  }
  return state;
}

std::string NewRunId() {
  const auto time =
      std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  return fmt::format("{}-{:08x}", time.count(), std::random_device{}());
}

}  // namespace tandem
