#include "loadtest/ladder/ladder_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/base/json.h"

namespace tandem {
namespace {

constexpr const char* kFormat = "tandem-ladder/1";

// Of two rates; null where one was not measured.
Json RatioJson(double rate, double base) {
  return rate > 0.0 && base > 0.0 ? Json(rate / base) : Json();
}

Json StepJson(const LadderResult& result, size_t index) {
  const LadderStepResult& step = result.steps[index];
  const double rate = step.tokens_per_second();
  const double before = index == 0 ? 0.0 : result.steps[index - 1].tokens_per_second();
  Json json = {{"name", step.step.name},
               {"adds", step.step.adds},
               {"server_arguments", step.server_arguments},
               {"server", step.server},
               {"version", step.version},
               {"failure", step.failure},
               {"window_seconds", step.run.window_seconds},
               {"output_tokens", step.run.num_output_tokens},
               {"output_tokens_per_second", rate},
               {"speedup_over_before", RatioJson(rate, before)},
               {"speedup_over_first", RatioJson(rate, result.steps.front().tokens_per_second())},
               {"client_cpu_share", step.run.client_cpu_share},
               {"ended_requests", step.run.total.ToJson()}};
  json["answers"] = {{"compared", step.answers.num_answers},
                     {"same", step.answers.num_same_answers},
                     {"compared_tokens", step.answers.num_tokens},
                     {"same_tokens", step.answers.num_same_tokens},
                     {"must_be_same", step.step.answers == LadderAnswers::kSame}};
  json["text"] = {{"bits_per_byte", step.text.bits_per_byte()},
                  {"nats", step.text.nats},
                  {"scored_tokens", step.text.num_tokens},
                  {"scored_bytes", step.text.num_bytes}};
  return json;
}

}  // namespace

AnswerComparison CompareAnswers(const std::vector<std::vector<int64_t>>& first,
                                const std::vector<std::vector<int64_t>>& other) {
  AnswerComparison comparison;
  for (size_t i = 0; i < std::min(first.size(), other.size()); ++i) {
    if (first[i].empty() || other[i].empty()) continue;
    const auto [end, unused] = std::ranges::mismatch(first[i], other[i]);
    ++comparison.num_answers;
    comparison.num_same_answers += first[i] == other[i] ? 1 : 0;
    comparison.num_tokens += std::ssize(first[i]);
    comparison.num_same_tokens += end - first[i].begin();
  }
  return comparison;
}

double LadderStepResult::tokens_per_second() const {
  if (run.window_seconds <= 0.0) return 0.0;
  return static_cast<double>(run.num_output_tokens) / run.window_seconds;
}

bool LadderStepResult::breaks_invariance() const {
  return step.answers == LadderAnswers::kSame && !answers.all_same();
}

bool LadderResult::Succeeded() const {
  return std::ranges::all_of(steps, [](const LadderStepResult& step) {
    return step.failure.empty() && !step.breaks_invariance();
  });
}

std::string LadderJson(const LadderResult& result) {
  Json steps = Json::array();
  for (size_t i = 0; i < result.steps.size(); ++i) steps.push_back(StepJson(result, i));
  const Json json = {
      {"format", kFormat},
      {"program", "tandem-loadtest " TANDEM_VERSION},
      {"started", result.started},
      {"machine",
       {{"load_average_before", result.load_average}, {"processors", result.num_processors}}},
      {"model", result.model},
      {"load",
       {{"described", result.described},
        {"together", result.num_together},
        {"measured_seconds", result.measured_seconds},
        {"warm_up_seconds", result.warm_up_seconds},
        {"seed", result.seed}}},
      {"text", {{"file", result.text_file}, {"bytes", result.text_bytes}}},
      {"succeeded", result.Succeeded()},
      {"steps", std::move(steps)}};
  return json.dump(1) + "\n";
}

}  // namespace tandem
