#include "api/cli/failing_runner.h"

#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr std::string_view kEvery = "every";

std::optional<int64_t> PositiveNumber(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1) return std::nullopt;
  return value;
}

}  // namespace

FailingSteps ParseFailingSteps(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    const auto first = PositiveNumber(text.substr(0, colon));
    const auto second = PositiveNumber(text.substr(colon + 1));
    if (text.substr(0, colon) == kEvery && second) {
      return {.last = std::numeric_limits<int64_t>::max(), .every = *second};
    }
    if (first && second && *first <= *second) return {.first = *first, .last = *second};
  }
  throw ConfigError("--fail-steps is '" + std::string(text) +
                    "', expected FROM:TO, as 100:120, or every:N, as every:50; steps count from 1");
}

// A step that fails takes those under way with it.
void FailingRunner::CountStep() {
  num_steps_ += 1;
  if (!steps_.Has(num_steps_)) return;
  for (StepResult lost; num_under_way_ > 0;) Await(lost);
  throw DeviceError("step " + std::to_string(num_steps_) + " was told to fail by --fail-steps");
}

void FailingRunner::Run(const StepBatch& batch, StepResult& result) {
  CountStep();
  runner_.Run(batch, result);
}

// None is under way when the runner throws.
void FailingRunner::Launch(const StepBatch& batch) {
  CountStep();
  const int num_before = std::exchange(num_under_way_, 0);
  runner_.Launch(batch);
  num_under_way_ = num_before + 1;
}

void FailingRunner::Await(StepResult& result) {
  const int num_before = std::exchange(num_under_way_, 0);
  runner_.Await(result);
  num_under_way_ = num_before - 1;
}

}  // namespace tandem
