#pragma once
// What MiniMind's own data sets do to conversations at random, for runs that follow its recipes;
// off by default. Which documents are changed depends on the seed and on the document's index in
// its file alone, so it is the same on every machine and in every epoch. Pure functions; any
// thread.

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/data/conversation_renderer.h"
#include "trainer/data/data_record.h"

namespace tandem {

struct MiniMindPreprocessing {
  // Puts one of `system_prompts` before a conversation that has no system turn and no tools.
  // MiniMind: 0.2.
  double system_prompt_probability = 0;
  // Removes the empty thinking blocks of a rendered conversation. MiniMind 3: 0.8; MiniMind 2:
  // 0.95.
  double empty_thinking_removal_probability = 0;
  uint64_t seed = 0;
  std::vector<std::string> system_prompts = DefaultSystemPrompts();

  static std::vector<std::string> DefaultSystemPrompts();  // ten, Chinese and English
};

// `document_index` counts the lines of the file from 0.
void MaybeAddSystemPrompt(const MiniMindPreprocessing& options, int64_t document_index,
                          ConversationRecord* record);
void MaybeRemoveEmptyThinking(const MiniMindPreprocessing& options, int64_t document_index,
                              RenderedConversation* rendered);

// Cuts every "<think>\n\n</think>\n\n" and moves the answers' ranges with the text.
void RemoveEmptyThinking(RenderedConversation* rendered);

}  // namespace tandem
