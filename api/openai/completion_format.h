#pragma once
// The answers of /v1/completions.

#include <string>

#include "api/openai/answer_format.h"
#include "engine/text/tokenizer.h"

namespace tandem {

class CompletionFormat : public AnswerFormat {
 public:
  // The tokenizer outlives this.
  CompletionFormat(const Tokenizer& tokenizer, std::string_view id, std::string_view model,
                   int64_t created);

  void AppendChunk(const AnswerPart& part, ChunkUsage mode, const AnswerUsage& usage,
                   std::string& out) const override;
  void AppendUsageChunk(const AnswerUsage& usage, std::string& out) const override;
  std::string Whole(std::span<const AnswerPart> choices, const AnswerUsage& usage) const override;

 private:
  void AppendChoice(const AnswerPart& choice, std::string& out) const;

  const Tokenizer& tokenizer_;
  const std::string envelope_;
};

}  // namespace tandem
