#pragma once
// Learns the merges of a byte-level BPE tokenizer: again and again the most frequent pair of
// neighbouring tokens becomes a token. The result is that of Hugging Face tokenizers' BpeTrainer
// with initial_alphabet=ByteLevel.alphabet() on the same words, and does not depend on their order.
// https://github.com/huggingface/tokenizers (behaviour as of 0.23.3; its counts end at 2^31)

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/text/tokenizer.h"
#include "trainer/tokenizer/word_counts.h"

namespace tandem {

struct BpeTrainingOptions {
  int64_t vocab_size = 6400;  // special tokens and the 256 bytes included
  int64_t min_frequency = 0;  // of a pair that may merge; a pair that is not there never does
};

struct TrainedBpe {
  // By id: the special tokens, the 256 bytes in the order of their characters in the byte alphabet,
  // then what merges made. Special tokens as they are, all others in the byte alphabet.
  std::vector<std::string> tokens;
  // By rank. A token may be made by two merges, so there may be more merges than tokens they made.
  std::vector<std::pair<TokenId, TokenId>> merges;
  int64_t num_corpus_tokens = 0;  // that the words became
};

// Throws ConfigError when the vocabulary has no room for the special tokens and the bytes.
void CheckVocabSize(int64_t vocab_size, size_t num_special_tokens);

// Ends early when no pair is frequent enough: then `tokens` is shorter than vocab_size, which
// passes CheckVocabSize.
TrainedBpe TrainBpe(const WordCounts& words, std::span<const std::string> special_tokens,
                    const BpeTrainingOptions& options);

}  // namespace tandem
