#include "engine/text/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace tandem {

StopMatcher::StopMatcher(std::vector<std::string> stops, bool include_stop)
    : stops_(std::move(stops)), include_stop_(include_stop) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
  // The longest first: then the first that matches at a place is the one that wins there.
  std::stable_sort(stops_.begin(), stops_.end(),
                   [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

StopMatcher::Verdict StopMatcher::Judge(std::string_view rest, bool at_end) const {
  for (const std::string& stop : stops_) {
    if (rest.starts_with(stop)) return {.matched = &stop};
    if (!at_end && std::string_view(stop).starts_with(rest)) return {.undecided = true};
  }
  return {};
}

StopMatcher::Step StopMatcher::Advance(bool at_end) {
  for (size_t at = 0; at < held_.size(); ++at) {
    const Verdict verdict = Judge(std::string_view(held_).substr(at), at_end);
    if (verdict.undecided) {
      Step step{.text = held_.substr(0, at)};
      held_.erase(0, at);
      return step;
    }
    if (verdict.matched != nullptr) {
      matched_ = *verdict.matched;
      Step step{.text = held_.substr(0, at + (include_stop_ ? matched_.size() : 0)),
                .stopped = true,
                .matched = matched_};
      stopped_ = true;
      held_.clear();
      return step;
    }
  }
  return {.text = std::exchange(held_, {})};
}

StopMatcher::Step StopMatcher::Push(std::string_view text) {
  if (stopped_) return {};
  held_.append(text);
  return Advance(false);
}

std::string StopMatcher::Finish() { return stopped_ ? std::string() : Advance(true).text; }

}  // namespace tandem
