#include "api/cli/loaded_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/quantity.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

std::vector<TokenId> EndTokens(const ModelConfig& config, const GenerationConfig& defaults,
                               const Tokenizer& tokenizer) {
  std::vector<TokenId> ids = config.eos_ids;
  ids.insert(ids.end(), defaults.eos_ids.begin(), defaults.eos_ids.end());
  if (tokenizer.eos_id()) ids.push_back(*tokenizer.eos_id());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::string NameOf(const std::filesystem::path& directory) {
  return std::filesystem::canonical(directory).filename().string();
}

// A model whose own template is broken still completes text.
void LoadChatTemplate(const ModelOptions& options, const std::filesystem::path& directory,
                      LoadedModel& model) {
  if (!options.chat_template.empty()) {
    model.chat_template = ChatTemplate::FromOption(options.chat_template, directory);
    return;
  }
  try {
    model.chat_template = ChatTemplate::FromDirectory(directory);
  } catch (const FormatError& error) {
    model.chat_template_problem = error.what();
  }
}

}  // namespace

std::string LoadedModel::Describe() const {
  const ModelRunnerOptions& options = runner->options();
  const MemoryReport memory = runner->memory();
  return fmt::format("{} weights ({}), {}, activations {}, KV {} for {} tokens, loaded in {:.2f} s",
                     OptionName(options.dtype), FormatBytes(memory.weight_bytes),
                     runner->DescribePlace(), FormatBytes(memory.activation_bytes),
                     FormatBytes(memory.kv_bytes), FormatCount(memory.kv_tokens),
                     load_time.count());
}

LoadedModel LoadModel(const ModelOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const std::filesystem::path directory = FindModelDirectory(options);
  LoadedModel model;
  model.name = NameOf(directory);
  model.tokenizer = LoadTokenizer(directory);
  LoadChatTemplate(options, directory, model);
  model.defaults = ReadGenerationConfig(directory);
  model.runner = ModelRunner::Load(directory, RunnerOptions(options, directory));
  model.eos_ids = EndTokens(model.runner->config(), model.defaults, *model.tokenizer);
  model.load_time = std::chrono::steady_clock::now() - start;
  return model;
}

SchedulerConfig MakeSchedulerConfig(const ModelOptions& options) {
  SchedulerConfig config;
  config.max_sequences = options.max_num_seqs;
  config.max_step_tokens = options.max_num_batched_tokens;
  config.max_prefill_chunk = std::min(config.max_prefill_chunk, config.max_step_tokens);
  return config;
}

}  // namespace tandem
