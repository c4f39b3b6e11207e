#include "api/cli/line_editor.h"

#include <histedit.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string_view>

#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr int kHistoryLines = 1000;

// libedit counts columns by the locale; text here is UTF-8 whatever it says.
void UseUtf8Characters() {
  if (std::setlocale(LC_CTYPE, "") != nullptr && MB_CUR_MAX > 1) return;
  std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string prompt;

  static const char* Prompt(EditLine* editor) {
    State* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return self->prompt.c_str();
  }

  State() {
    UseUtf8Characters();
    editor = el_init("tandem", stdin, stdout, stderr);
    history = history_init();
    if (editor == nullptr || history == nullptr) throw ConfigError("the terminal cannot be used");
    el_set(editor, EL_CLIENTDATA, this);
    el_set(editor, EL_PROMPT, &State::Prompt);
    el_set(editor, EL_EDITOR, "emacs");
    ::history(history, &event, H_SETSIZE, kHistoryLines);
    el_set(editor, EL_HIST, ::history, history);
    el_source(editor, nullptr);  // ~/.editrc, as in other programs
  }
  ~State() {
    if (history != nullptr) history_end(history);
    if (editor != nullptr) el_end(editor);
  }
};

LineEditor::LineEditor() {
  if (::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0) {
    state_ = std::make_unique<State>();
  }
}

LineEditor::~LineEditor() = default;

LineEditor::Result LineEditor::Read(const std::string& prompt, std::string& line) {
  if (state_ == nullptr) return std::getline(std::cin, line) ? Result::kLine : Result::kEnd;
  state_->prompt = prompt;
  int size = 0;
  errno = 0;
  const char* text = el_gets(state_->editor, &size);
  if (text == nullptr || size <= 0) {
    if (size < 0 && errno == EINTR) {
      el_reset(state_->editor);
      return Result::kInterrupted;
    }
    return Result::kEnd;
  }
  line.assign(text, static_cast<size_t>(size));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return Result::kLine;
}

void LineEditor::Remember(const std::string& line) {
  if (state_ == nullptr || line.empty()) return;
  ::history(state_->history, &state_->event, H_ENTER, line.c_str());
}

}  // namespace tandem
