#pragma once
// The tokens that stand for no text, and the form of a conversation made of them, in named sets.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

struct AddedTokenRow {
  std::string_view content;
  bool special = true;  // false: decoding keeps it, as a reader of the text looks for it
};

// A tokenizer's added tokens have the ids 0, 1, ... in this order.
enum class TokenPreset : uint8_t {
  kChatMl,    // the three of ChatML, as MiniMind2
  kMiniMind,  // the 36 of minimind-3
};

std::vector<AddedTokenRow> AddedTokensOf(TokenPreset preset);

inline constexpr std::string_view kEndOfText = "<|endoftext|>";  // pads, and stands for the unknown
inline constexpr std::string_view kTurnBegin = "<|im_start|>";   // bos
inline constexpr std::string_view kTurnEnd = "<|im_end|>";       // eos

// Jinja: ChatML with turns of system, user, assistant and tool. Tools stand in the system's turn;
// an assistant's turn begins with its reasoning in <think>, when it has any; results of tools stand
// in a user's turn. With enable_thinking (or open_thinking) the answer is begun with <think>.
std::string_view TrainedChatTemplate();

}  // namespace tandem
