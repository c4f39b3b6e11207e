#pragma once
// The knobs of `tandem-train evaluate`, and the command.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/command_line.h"
#include "engine/base/settings.h"
#include "trainer/evaluation/choice_evaluation.h"
#include "trainer/evaluation/text_evaluation.h"

namespace tandem {

struct EvaluateOptions {
  std::filesystem::path model;
  DType dtype = DType::kBf16;
  std::optional<std::filesystem::path> compare;  // none: `model`, if its dtype is to be another
  DType compare_dtype = DType::kBf16;

  std::vector<std::string> files;
  std::optional<std::string> separator;
  std::string chat_template;  // file or built-in name; empty: the model's
  TextEvaluationOptions texts;
  std::vector<std::string> choices;  // files of questions
  ChoiceForm choice_form = ChoiceForm::kText;
  OnBadLine on_bad_line = OnBadLine::kStop;
  std::string rope_scaling;  // empty: as the model's config says
  std::optional<std::string> compare_rope_scaling;

  std::filesystem::path json;
  int64_t batch_tokens = 2048;
  std::string device = "auto";  // of DeviceNames
  int64_t threads = 0;
};

void AddEvaluateSettings(Settings& settings, EvaluateOptions& options);

int Evaluate(const CommandLine& line);

}  // namespace tandem
