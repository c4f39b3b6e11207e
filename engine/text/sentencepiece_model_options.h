#pragma once
// The fields of a SentencePiece model that its library keeps to itself, read from the serialized
// protocol buffer. Field numbers: sentencepiece_model.proto. Pure functions; any thread.

#include <string_view>

namespace tandem {

struct SentencePieceModelOptions {
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool treat_whitespace_as_suffix = false;
  bool has_denormalizer = false;
  std::string_view charsmap;  // precompiled_charsmap: points into the model
};

// Throws FormatError when `model` is not a serialized message.
SentencePieceModelOptions ReadSentencePieceModelOptions(std::string_view model);

// The charsmap as the library walks it: whether that never leaves it, whatever the text. The
// library itself does not check.
bool IsSoundCharsmap(std::string_view charsmap);

// Appended to a serialized model: add_dummy_prefix is false. In a protocol buffer the last value of
// a field counts.
inline constexpr std::string_view kWithoutDummyPrefix("\x1a\x02\x18\x00", 4);

}  // namespace tandem
