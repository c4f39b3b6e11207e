#pragma once
// Reads the steps around the model in a tokenizer.json: normalizer, pre_tokenizer, decoder,
// post_processor. A step that we do not have is a FormatError that names it and its place. Pure
// functions; any thread.

#include <vector>

#include "engine/text/bpe_tokenizer.h"
#include "engine/text/normalizer.h"
#include "engine/text/pre_tokenizer.h"

namespace tandem {

class JsonNode;  // json_access.h

std::vector<Normalizer::Step> ReadNormalizer(const JsonNode& node);

struct PreTokenizerSteps {
  std::vector<PreTokenizer::Step> steps;
  bool byte_level = false;  // the last one maps bytes to characters
};
PreTokenizerSteps ReadPreTokenizer(const JsonNode& node);

struct DecoderSteps {
  PieceDecoding decoding;
  bool byte_level = false;
  bool fused = false;  // what comes behind sees the whole text
};
DecoderSteps ReadDecoder(const JsonNode& node);

// What stands around a single text.
struct TokenTemplate {
  std::vector<TokenId> prefix;
  std::vector<TokenId> suffix;
};
TokenTemplate ReadPostProcessor(const JsonNode& node);

}  // namespace tandem
