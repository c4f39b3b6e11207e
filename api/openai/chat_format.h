#pragma once
// The answers of /v1/chat/completions.

#include <string>

#include "api/openai/answer_format.h"
#include "engine/text/tokenizer.h"

namespace tandem {

class ChatFormat : public AnswerFormat {
 public:
  // The tokenizer outlives this.
  ChatFormat(const Tokenizer& tokenizer, std::string_view id, std::string_view model,
             int64_t created);

  // A choice's first part also announces the assistant's role, in a chunk of its own.
  void AppendChunk(const AnswerPart& part, ChunkUsage mode, const AnswerUsage& usage,
                   std::string& out) const override;
  void AppendUsageChunk(const AnswerUsage& usage, std::string& out) const override;
  std::string Whole(std::span<const AnswerPart> choices, const AnswerUsage& usage) const override;

 private:
  void AppendLogprobs(const AnswerPart& part, std::string& out) const;

  const Tokenizer& tokenizer_;
  const std::string chunk_envelope_;
  const std::string whole_envelope_;
};

}  // namespace tandem
