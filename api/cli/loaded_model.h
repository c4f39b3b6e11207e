#pragma once
// A model directory in memory: tokenizer, runner, defaults. Owned by the command that runs it.

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/cli/model_options.h"
#include "engine/config/model_config.h"
#include "engine/model_runner.h"
#include "engine/text/chat_template.h"
#include "engine/text/tokenizer.h"
#include "scheduler/scheduler_config.h"

namespace tandem {

struct LoadedModel {
  std::string name;  // the directory's
  std::unique_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<ModelRunner> runner;
  std::optional<ChatTemplate> chat_template;
  std::string chat_template_problem;  // why there is none, though the model has one
  GenerationConfig defaults;
  std::vector<TokenId> eos_ids;  // config's, generation config's and tokenizer's
  std::chrono::duration<double> load_time{};

  // "float32 weights, bfloat16 KV, avx512, 1.0 GiB for 65536 tokens of KV, loaded in 1.2 s"
  std::string Describe() const;
};

LoadedModel LoadModel(const ModelOptions& options);

// The scheduler's part of the options.
SchedulerConfig MakeSchedulerConfig(const ModelOptions& options);

}  // namespace tandem
