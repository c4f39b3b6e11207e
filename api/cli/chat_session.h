#pragma once
// A conversation in a terminal, without the terminal: its messages, its settings, and the commands
// that change them. Used by one thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/cli/chat_options.h"
#include "api/openai/chat_request.h"

namespace tandem {

struct ChatTurn {
  std::string user;
  std::string assistant;
};

class ChatSession {
 public:
  // Throws ConfigError for an odd history.
  explicit ChatSession(const ChatOptions& options);

  enum class Next : uint8_t { kRead, kAnswer, kQuit };
  struct Outcome {
    Next next = Next::kRead;  // kAnswer: of `pending`
    std::string message;      // for the user; may be empty
  };
  // A line that begins with '/' is a command, another is the next message.
  Outcome Take(std::string_view line);

  void Ask(std::string message) { pending_ = std::move(message); }  // whatever it begins with
  const std::string& pending() const { return pending_; }
  // The pending message with what came before it; at most the last `max_turns` turns.
  Conversation MakeConversation(size_t max_turns) const;
  size_t num_remembered() const;  // turns that MakeConversation may have
  void Answered(std::string text);

  const ChatOptions& options() const { return options_; }
  const std::vector<ChatTurn>& turns() const { return turns_; }

  static std::string Help();

 private:
  Outcome Set(std::string_view arguments);
  Outcome UsePreset(std::string_view name);
  Outcome Think(std::string_view word);
  Outcome Stats(std::string_view word);
  Outcome Retry();
  std::string Show() const;

  ChatOptions options_;
  std::vector<ChatTurn> turns_;
  std::string pending_;
};

}  // namespace tandem
