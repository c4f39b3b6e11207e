#pragma once
// Lines from a person at a terminal, edited with libedit (history, cursor keys), or from a pipe.
// Used by one thread; one at a time.

#include <functional>
#include <memory>
#include <string>

namespace tandem {

class LineEditor {
 public:
  // `interrupted` is asked many times a second while a terminal is read; true ends the read.
  explicit LineEditor(std::function<bool()> interrupted);
  ~LineEditor();

  enum class Result : uint8_t { kLine, kInterrupted, kEnd };
  // `line` without its end.
  Result Read(const std::string& prompt, std::string& line);
  void Remember(const std::string& line);  // for the cursor keys
  bool is_terminal() const { return state_ != nullptr; }

 private:
  struct State;
  std::unique_ptr<State> state_;  // null: standard input is no terminal
};

}  // namespace tandem
