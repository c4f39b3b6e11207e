#include "trainer/run_watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/printable.h"

namespace tandem {

RunWatch::RunWatch(RunWatchParts parts, const TrainingRunOptions& options)
    : parts_(parts), options_(options) {}

void RunWatch::EvaluateOn(std::unique_ptr<BatchSource> held_out) {
  held_out_.emplace(std::move(held_out));
}

void RunWatch::SampleWith(ModelRunner& runner, const RunData& data) {
  const TrainingSampleOptions& samples = options_.samples;
  TextSamplerOptions sampler{.max_tokens = samples.max_tokens,
                             .temperature = static_cast<float>(samples.temperature),
                             .seed = options_.seed,
                             .eos_ids = runner.config().eos_ids};
  if (const auto eos = data.tokenizer().eos_id()) sampler.eos_ids.push_back(*eos);
  sampler_.emplace(runner, data.tokenizer(), std::move(sampler));
  for (const std::string& prompt : samples.prompts) prompts_.push_back(data.PromptIds(prompt));
}

std::vector<PeriodicAction> RunWatch::Actions() {
  std::vector<PeriodicAction> actions;
  if (held_out_) {
    actions.push_back({.every = options_.eval_every,
                       .perform = [this](int64_t step) { Evaluate(step, options_.eval_tokens); }});
  }
  if (sampler_) {
    actions.push_back(
        {.every = options_.samples.every, .perform = [this](int64_t step) { Sample(step); }});
  }
  return actions;
}

std::optional<double> RunWatch::LookAtTheEnd() {
  const int64_t step = std::max<int64_t>(parts_.trainer.num_steps() - 1, 0);
  if (sampler_) Sample(step);
  return held_out_ ? std::optional(Evaluate(step, 0)) : std::nullopt;
}

double RunWatch::Evaluate(int64_t step, int64_t max_tokens) {
  const EvaluationValue loss{.name = "loss",
                             .value = held_out_->Loss(parts_.context, parts_.trainer, max_tokens)};
  parts_.journal.Evaluation(step, {&loss, 1});
  parts_.journal.Tell("held out", fmt::format("loss {:.4f} after step {}", loss.value, step + 1));
  return loss.value;
}

void RunWatch::Sample(int64_t step) {
  for (size_t i = 0; i < prompts_.size(); ++i) {
    const std::string text = sampler_->Continue(prompts_[i]);
    const std::string& prompt = options_.samples.prompts[i];
    parts_.journal.Event(step, "sample", fmt::format("{} -> {}", prompt, text));
    parts_.journal.Tell("sample", fmt::format("{} -> {}", Quoted(prompt), Quoted(text)));
  }
}

}  // namespace tandem
