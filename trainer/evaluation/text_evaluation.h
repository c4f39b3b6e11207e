#pragma once
// How well a model predicts a file that it was not trained on. One thread, which owns the scorer
// for the call.
//
// Texts: each document is the tokenizer's start token (bos; where there is none, eos) and then its
// own tokens. All of these are scored, the end of the text is not, and every one of the document's
// bytes is covered once; so bits per byte compares models of any tokenizers. Longer documents fall
// into windows (trainer/evaluation/text_windows.h).
//
// Conversations: scored are the tokens of the answers, the end of each turn included. Their bytes
// are those of the tokens that are not special. Compares models that write the same chat template.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/text/tokenizer.h"
#include "trainer/data/conversation_renderer.h"
#include "trainer/data/data_source.h"
#include "trainer/data/shard_builder.h"
#include "trainer/evaluation/sequence_scorer.h"

namespace tandem {

// A sum over tokens of -log p, in nats.
struct TokenLoss {
  int64_t num_tokens = 0;
  double nats = 0.0;

  double mean() const { return nats / static_cast<double>(num_tokens); }
  double perplexity() const;
};

// By how many tokens of its window lie before a token: 1-15, 16-63, 64-255, ... times 4.
inline constexpr size_t kNumPositionRanges = 12;
int64_t FirstOfPositionRange(size_t range);
size_t PositionRangeOf(int64_t position);

struct TextScore {
  std::string name;  // of the file
  TokenLoss loss;
  std::array<TokenLoss, kNumPositionRanges> by_position;
  int64_t num_bytes = 0;  // that the scored tokens cover
  int64_t num_documents = 0;
  int64_t num_windows = 0;
  double seconds = 0.0;  // tokenising included
  int64_t num_bad = 0;   // documents that were left out
  // Texts that do not come back from their tokens (unknown characters, normal forms): their bits
  // are too few.
  int64_t num_changed = 0;

  double bits_per_byte() const;
  void Add(const TextScore& other);  // all but the name
};

struct TextEvaluationOptions {
  int64_t context = 0;  // tokens of a window; 0: the model's
  int64_t stride = 0;   // 0: context - 1
  OnBadLine on_bad_line = OnBadLine::kStop;
};

// Throws ConfigError where windows do not fit a model of that context.
void CheckWindows(const TextEvaluationOptions& options, int64_t max_context);

// Borrowed; `renderer` may be null where no conversations are read.
struct EvaluationInputs {
  const Tokenizer& tokenizer;
  const ConversationRenderer* renderer = nullptr;
  SequenceScorer& scorer;
};

// The token that stands before every text. Throws ConfigError when the tokenizer has none.
TokenId StartToken(const Tokenizer& tokenizer);

// Throws FormatError (no documents; a bad one, under kStop) or ConfigError.
TextScore EvaluateText(const EvaluationInputs& inputs, const DataSource& source,
                       const TextEvaluationOptions& options);

}  // namespace tandem
