#include "trainer/data/minimind_preprocessing.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "trainer/data/random_choices.h"

namespace tandem {
namespace {

using jinja::Dict;
using jinja::Value;

constexpr std::string_view kEmptyThinking = "<think>\n\n</think>\n\n";

bool Happens(double probability, uint64_t seed, DataChoice choice, int64_t document_index) {
  return RandomUniform(DataRandomKey(seed, choice, document_index)) < probability;
}

}  // namespace

std::vector<std::string> MiniMindPreprocessing::DefaultSystemPrompts() {
  return {
      "你是一个乐于助人的助手。",
      "你是一个知识面很广的助手，请准确地回答问题。",
      "你是一个小型语言模型，请简洁地回答。",
      "你是一个友善、耐心的聊天伙伴。",
      "你是一个专业的智能助手，请给出有条理的回答。",
      "You are a helpful assistant.",
      "You are a small language model that answers clearly and briefly.",
      "You are a knowledgeable assistant. Give accurate answers.",
      "You are a friendly and patient companion.",
      "You are a careful assistant. Say so when you do not know.",
  };
}

void MaybeAddSystemPrompt(const MiniMindPreprocessing& options, int64_t document_index,
                          ConversationRecord* record) {
  const auto& messages = record->messages.list().items;
  if (!record->tools.IsNone() || options.system_prompts.empty()) return;
  if (messages.front().dict().Find("role")->AsText() == "system") return;
  if (!Happens(options.system_prompt_probability, options.seed, DataChoice::kAddSystemPrompt,
               document_index)) {
    return;
  }
  const uint64_t which =
      RandomBelow(options.system_prompts.size(),
                  DataRandomKey(options.seed, DataChoice::kWhichSystemPrompt, document_index));
  Dict prompt;
  prompt.Set("role", Value::Of("system"));
  prompt.Set("content", Value::Of(options.system_prompts[which]));
  std::vector<Value> longer = {Value::Of(std::move(prompt))};
  longer.insert(longer.end(), messages.begin(), messages.end());
  record->messages = Value::Of(std::move(longer));
}

void MaybeRemoveEmptyThinking(const MiniMindPreprocessing& options, int64_t document_index,
                              RenderedConversation* rendered) {
  if (!Happens(options.empty_thinking_removal_probability, options.seed,
               DataChoice::kRemoveEmptyThinking, document_index)) {
    return;
  }
  RemoveEmptyThinking(rendered);
}

void RemoveEmptyThinking(RenderedConversation* rendered) {
  std::vector<size_t> cuts;  // where the blocks began
  std::string shorter;
  size_t kept = 0;
  for (size_t at = rendered->text.find(kEmptyThinking); at != std::string::npos;
       at = rendered->text.find(kEmptyThinking, kept)) {
    shorter.append(rendered->text, kept, at - kept);
    cuts.push_back(at);
    kept = at + kEmptyThinking.size();
  }
  if (cuts.empty()) return;
  shorter.append(rendered->text, kept);
  const auto moved = [&](size_t position) {
    size_t removed = 0;
    for (const size_t cut : cuts) {
      if (cut < position) removed += std::min(kEmptyThinking.size(), position - cut);
    }
    return position - removed;
  };
  for (jinja::TextRange& range : rendered->answers) {
    range = {.begin = moved(range.begin), .end = moved(range.end)};
  }
  std::erase_if(rendered->answers,
                [](const jinja::TextRange& range) { return range.begin == range.end; });
  rendered->text = std::move(shorter);
}

}  // namespace tandem
