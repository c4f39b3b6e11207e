#pragma once
// The knobs of `tandem chat`.

#include <cstdint>
#include <optional>
#include <string>

#include "api/cli/model_options.h"
#include "api/cli/sampling_options.h"
#include "engine/base/settings.h"

namespace tandem {

inline constexpr char kChatSummary[] = "Talks to a model in this terminal.";

struct ChatOptions {
  static constexpr int64_t kWholeHistory = -1;

  ModelOptions model;
  SamplingOptions sampling;
  std::string preset;
  std::string system;
  int64_t max_tokens = 0;  // of an answer; 0: what the context leaves
  int64_t history = kWholeHistory;
  std::optional<bool> think;  // absent: as the template has it
  bool stats = true;
  std::string prompts;  // a file, or "minimind"
};

void AddChatSettings(Settings& settings, ChatOptions& options);

}  // namespace tandem
