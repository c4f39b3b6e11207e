#include "trainer/loop_state.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <chrono>
#include <random>
#include <string_view>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

template <typename Number>
Number ParseNumber(std::string_view text, const std::string& name, const std::string& where) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  throw FormatError(fmt::format("{}: carried.{} is {}, not a number", where, name, Quoted(text)));
}

std::vector<double> ParseLosses(std::string_view text, const std::string& name,
                                const std::string& where) {
  std::vector<double> losses;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    losses.push_back(ParseNumber<double>(text.substr(0, end), name, where));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (std::ssize(losses) <= kLossWindow) return losses;
  throw FormatError(fmt::format("{}: carried.{} has {} losses; the limit is {}", where, name,
                                losses.size(), kLossWindow));
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
    const auto count = [&] { return ParseNumber<int64_t>(text, name, where); };
    if (name == "run_id" && IsRunId(text)) {
      state.run_id = text;
    } else if (name == "of_a_stop" && (text == "yes" || text == "no")) {
      state.is_of_a_stop = text == "yes";
    } else if (name == "guard.losses") {
      guard.monitor.window = ParseLosses(text, name, where);
    } else if (name == "guard.losses_since_check") {
      guard.monitor.num_since_check = count();
    } else if (name == "guard.bad") {
      guard.num_bad = count();
    } else if (name == "guard.skipped") {
      guard.num_skipped = count();
    } else if (name == "guard.rollbacks") {
      guard.num_rollbacks = count();
    } else if (name == "guard.rate_factor") {
      guard.rate_factor = ParseNumber<double>(text, name, where);
    } else {
      throw FormatError(fmt::format("{}: carried.{} is {}, which this program does not know", where,
                                    Printable(name, 100), Quoted(text, 100)));
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
