#include "trainer/run_advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/base/quantity.h"

namespace tandem {
namespace {

constexpr double kHighRate = 5.0;           // times the usual one
constexpr double kManyEpochs = 5.0;         // beyond about four, repeated data teaches little
constexpr double kUnusedVocabulary = 0.05;  // of the model's; padding to a round number is less

}  // namespace

double UsualRate(int64_t num_parameters) {
  // The fit is of models from 1e3 to 1e9 parameters; beyond, it would soon be negative.
  const double size = std::clamp(static_cast<double>(num_parameters), 1e3, 1e10);
  return std::max(0.003239 - 0.0001395 * std::log(size), 1e-4);
}

std::vector<std::string> FindAdvice(const RunFacts& facts) {
  std::vector<std::string> advice;
  const double usual = UsualRate(facts.num_parameters);
  if (facts.rate > kHighRate * usual) {
    advice.push_back(fmt::format(
        "--learning-rate {} is high for {} parameters, where {:.1e} is usual: if the loss jumps, "
        "give a lower one",
        facts.rate, FormatCount(facts.num_parameters), usual));
  }
  if (facts.is_new && facts.warmup_steps == 0 && facts.rate > usual) {
    advice.push_back(fmt::format(
        "a new model at --learning-rate {} without a warm-up may not recover from its first steps: "
        "give a --warmup-share, such as {:.2g}",
        facts.rate, std::clamp(100.0 / static_cast<double>(facts.num_steps), 0.01, 0.1)));
  }
  if (facts.epochs > kManyEpochs && facts.epoch_tokens < facts.num_parameters) {
    advice.push_back(fmt::format(
        "{:.3g} epochs over {} tokens: a model of {} parameters learns them by heart; give more "
        "data or fewer --epochs, and look at --held-out",
        facts.epochs, FormatCount(facts.epoch_tokens), FormatCount(facts.num_parameters)));
  }
  const int64_t unused = facts.model_vocabulary - facts.tokenizer_vocabulary;
  if (static_cast<double>(unused) >
      kUnusedVocabulary * static_cast<double>(facts.model_vocabulary)) {
    advice.push_back(fmt::format(
        "the tokenizer has {} tokens and the model {}: {} of its rows are never learned and cost "
        "memory and time",
        FormatCount(facts.tokenizer_vocabulary), FormatCount(facts.model_vocabulary),
        FormatCount(unused)));
  }
  if (facts.num_shared > 0) {
    advice.push_back(fmt::format(
        "{} of {} held-out documents are trained on too: the held-out loss will look better than "
        "new texts would",
        FormatCount(facts.num_shared), FormatCount(facts.num_held_out)));
  }
  return advice;
}

}  // namespace tandem
