#include "trainer/run_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "engine/base/printable.h"
#include "engine/base/quantity.h"
#include "engine/text/chat_template.h"
#include "kernels/core/error.h"
#include "trainer/data/data_fingerprint.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

fs::path TokenizerFolder(const TrainingRunOptions& options) {
  if (!options.tokenizer.empty()) return options.tokenizer;
  if (!options.model.empty()) return options.model;
  throw ConfigError("a new model needs --tokenizer DIR (tandem-train tokenizer makes one)");
}

}  // namespace

RunData::RunData(const TrainingRunOptions& options, ThreadPool& pool)
    : options_(options), pool_(pool), folder_(TokenizerFolder(options)) {
  tokenizer_ = LoadTokenizer(folder_);
  std::optional<ChatTemplate> chat = options.chat_template.empty()
                                         ? ChatTemplate::FromDirectory(folder_)
                                         : ChatTemplate::FromOption(options.chat_template, folder_);
  if (chat) renderer_.emplace(std::move(*chat));
}

OpenedData RunData::Open(const std::vector<std::string>& files, std::ostream& out) {
  OpenedData opened;
  const DataInputs inputs{.tokenizer = *tokenizer_,
                          .tokenizer_fingerprint = FingerprintTokenizer(folder_),
                          .renderer = renderer_ ? &*renderer_ : nullptr};
  const ShardOptions shard_options{.samples = {.form = options_.sample_form,
                                               .max_tokens = options_.row_tokens,
                                               .too_long = options_.too_long},
                                   .on_bad_line = options_.on_bad_line};
  std::vector<RepeatedShard> shards;
  for (const std::string& file : files) {
    PreparedShard prepared = PrepareShard(inputs, {.path = file, .separator = options_.separator},
                                          shard_options, options_.output / "shards", pool_);
    out << fmt::format("data              {}: {} samples{}\n", Printable(file),
                       FormatCount(prepared.shard.num_samples()),
                       prepared.was_there ? ", tokenised before" : "");
    const std::vector<DocumentKey> documents = prepared.shard.Documents();
    opened.documents.insert(opened.documents.end(), documents.begin(), documents.end());
    shards.push_back({.shard = std::move(prepared.shard)});
  }
  opened.source = std::make_unique<ShardBatchSource>(
      std::move(shards), BatchOptions{.row_tokens = options_.row_tokens,
                                      .micro_batch_rows = options_.micro_batch_rows,
                                      .packing = options_.packing,
                                      .seed = options_.seed});
  return opened;
}

std::vector<TokenId> RunData::PromptIds(const std::string& prompt) const {
  switch (options_.samples.form) {
    case TrainingSampleOptions::Prompt::kText: {
      std::vector<TokenId> ids = tokenizer_->Encode(prompt, SpecialTokens::kAdd);
      if (ids.empty() && tokenizer_->bos_id()) ids.push_back(*tokenizer_->bos_id());
      if (!ids.empty()) return ids;
      throw ConfigError(
          "the tokenizer has no token that begins a text: give a --sample-prompt with some text");
    }
    case TrainingSampleOptions::Prompt::kQuestion: {
      if (!renderer_) {
        throw ConfigError("samples of a chat need a chat template: give --chat-template");
      }
      jinja::Dict message;
      message.Set("role", jinja::Value::Of("user"));
      message.Set("content", jinja::Value::Of(prompt));
      const jinja::Rendering rendering = renderer_->chat_template().Render(
          {.messages = jinja::Value::Of(std::vector{jinja::Value::Of(std::move(message))}),
           .generation_prompt = GenerationPrompt::kAdd});
      return tokenizer_->Encode(rendering.text, SpecialTokens::kNone);
    }
  }
  return {};
}

int64_t NumSteps(const TrainingRunOptions& options, BatchSource& source) {
  const auto whole = static_cast<int64_t>(options.epochs);
  double micro_batches = 0;
  for (int64_t epoch = 0; epoch < whole; ++epoch) {
    micro_batches += static_cast<double>(source.NumMicroBatches(epoch));
  }
  micro_batches += (options.epochs - static_cast<double>(whole)) *
                   static_cast<double>(source.NumMicroBatches(whole));
  const auto steps =
      static_cast<int64_t>(std::ceil(micro_batches / static_cast<double>(options.accumulate)));
  return std::max<int64_t>(options.max_steps > 0 ? std::min(steps, options.max_steps) : steps, 1);
}

}  // namespace tandem
