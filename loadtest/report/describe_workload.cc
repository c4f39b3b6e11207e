#include <fmt/format.h>

#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "loadtest/report/load_result.h"

namespace tandem {
namespace {

struct LengthText {
  std::string operator()(const FixedLength& length) const { return std::to_string(length.value); }
  std::string operator()(const UniformLength& length) const {
    return fmt::format("{} to {}", length.min, length.max);
  }
  std::string operator()(const LogNormalLength& length) const {
    return fmt::format("about {:g} (log-normal, sigma {:g}, {} to {})", length.median, length.sigma,
                       length.min, length.max);
  }
};

std::string TextOf(const Length& length) { return std::visit(LengthText{}, length); }

std::string_view TextOf(Spacing spacing) {
  switch (spacing) {
    case Spacing::kConstant:
      return "constant";
    case Spacing::kPoisson:
      return "poisson";
    case Spacing::kGamma:
      return "gamma";
  }
  return "";
}

std::string LoopText(const Workload& workload) {
  const std::string times =
      FormatDuration(workload.duration) +
      (workload.warm_up.count() > 0
           ? ", the first " + FormatDuration(workload.warm_up) + " not measured"
           : "");
  if (workload.is_closed_loop()) {
    return fmt::format("closed loop: {} users, think time {}{}, for {}", workload.num_users,
                       FormatDuration(workload.think_time),
                       workload.think_kind == ThinkTime::kExponential ? " (exponential)" : "",
                       times);
  }
  if (workload.trace) {
    return fmt::format("open loop: a trace of {} requests at speed {:g}, for {}",
                       workload.trace->entries.size(), workload.trace->speed, times);
  }
  return fmt::format(
      "open loop: {}{}, {:g}{} requests/s for {}", TextOf(workload.spacing),
      workload.spacing == Spacing::kGamma ? fmt::format(" (burstiness {:g})", workload.burstiness)
                                          : "",
      workload.rate, workload.end_rate ? fmt::format(" to {:g}", *workload.end_rate) : "", times);
}

std::string ClassText(const RequestClass& request) {
  const char* const unit = request.prompt.unit == PromptUnit::kTokens ? "tokens" : "words";
  std::string text = fmt::format("{}: weight {:g}, ", Printable(request.name), request.weight);
  text += request.texts.empty() ? fmt::format("{} {} in", TextOf(request.prompt.length), unit)
                                : fmt::format("one of {} texts in", request.texts.size());
  if (request.shared_prefix) {
    text += fmt::format(" behind one of {} prefixes of {}", request.shared_prefix->num_prefixes,
                        TextOf(request.shared_prefix->length));
  }
  text += ", " + TextOf(request.output) + " tokens out at most";
  if (request.ignore_eos) text += " (ignore_eos)";
  if (request.priority) text += fmt::format(", priority {}", *request.priority);
  if (request.temperature) text += fmt::format(", temperature {:g}", *request.temperature);
  const auto* const turns = std::get_if<FixedLength>(&request.turns);
  if (turns == nullptr || turns->value > 1) text += ", turns " + TextOf(request.turns);
  if (request.cancel_share > 0.0) {
    text += fmt::format(", {:g} % cut after {} outputs", 100.0 * request.cancel_share,
                        request.cancel_after);
  }
  return text;
}

}  // namespace

std::vector<std::string> Described(const Workload& workload) {
  std::vector<std::string> lines = {LoopText(workload)};
  lines.push_back(
      fmt::format("{}, {}", Name(workload.api), workload.stream ? "streamed" : "not streamed"));
  for (const RequestClass& request : workload.classes) lines.push_back(ClassText(request));
  return lines;
}

double OfferedRate(const Workload& workload) {
  if (workload.is_closed_loop()) return 0.0;
  if (workload.trace) {
    return static_cast<double>(workload.trace->entries.size()) /
           std::chrono::duration<double>(workload.duration).count();
  }
  return 0.5 * (workload.rate + workload.end_rate.value_or(workload.rate));
}

}  // namespace tandem
