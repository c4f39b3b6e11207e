#pragma once
// What evaluations found, for people and for programs. Pure functions.

#include <span>
#include <string>
#include <vector>

#include "trainer/evaluation/choice_evaluation.h"
#include "trainer/evaluation/text_evaluation.h"

namespace tandem {

// One model's scores, all of the same files in the same order.
struct ModelEvaluation {
  std::string model;  // directory
  std::string dtype;
  std::string rope_scaling;
  int64_t num_parameters = 0;
  int64_t context = 0;
  int64_t stride = 0;
  std::vector<TextScore> texts;
  std::vector<ChoiceScore> choices;
};

// A column for each model, and a block for each file and for all of them together.
std::string EvaluationTable(std::span<const ModelEvaluation> models);

// {"models": [{"model", "dtype", ..., "texts": [...], "all_texts": {...},
// "choices": [...]}, ...]}
std::string EvaluationJson(std::span<const ModelEvaluation> models);

}  // namespace tandem
