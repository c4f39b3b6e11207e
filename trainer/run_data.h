#pragma once
// The text side of a training run: what makes micro-batches of files, and what goes into the
// trained model's directory beside its weights. Owned by the run; one thread.

#include <filesystem>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/text/tokenizer.h"
#include "trainer/data/batch_source.h"
#include "trainer/data/conversation_renderer.h"
#include "trainer/data/data_report.h"
#include "trainer/training_run.h"

namespace tandem {

struct OpenedData {
  std::unique_ptr<ShardBatchSource> source;
  std::vector<DocumentKey> documents;  // of all files
};

class RunData {
 public:
  // Both outlive this. Throws ConfigError or FormatError.
  RunData(const TrainingRunOptions& options, ThreadPool& pool);

  const Tokenizer& tokenizer() const { return *tokenizer_; }

  // The micro-batches of some files; says on `out` what is in them.
  OpenedData Open(const std::vector<std::string>& files, std::ostream& out);

  // What the model reads before it writes a sample. ConfigError where there is no way to write it.
  std::vector<TokenId> PromptIds(const std::string& prompt) const;

  // The directory of the tokenizer, and of what a chat with the model needs.
  const std::filesystem::path& tokenizer_folder() const { return folder_; }

 private:
  const TrainingRunOptions& options_;
  ThreadPool& pool_;
  std::filesystem::path folder_;  // of the tokenizer
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::optional<ConversationRenderer> renderer_;
};

// The steps of options.epochs, or of options.max_steps where that is less.
int64_t NumSteps(const TrainingRunOptions& options, BatchSource& source);

}  // namespace tandem
