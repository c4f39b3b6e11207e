#include "api/cli/line_editor.h"

#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>
#include <iostream>
#include <string_view>
#include <utility>

#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr int kHistoryLines = 1000;
constexpr int kAskMilliseconds = 50;
constexpr char kControlD = '\x04';

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
  std::function<bool()> interrupted;

  static State& Of(EditLine* editor) {
    State* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return *self;
  }
  static const char* Prompt(EditLine* editor) { return Of(editor).prompt.c_str(); }

  // One character, in place of libedit's own reading: a signal that comes just before a read blocks
  // would be lost there. 1, 0 at the end, -1 with EINTR when interrupted.
  static int ReadCharacter(EditLine* editor, wchar_t* character) {
    std::mbstate_t decoding{};
    while (true) {
      if (Of(editor).interrupted()) {
        errno = EINTR;
        return -1;
      }
      pollfd input{STDIN_FILENO, POLLIN, 0};
      if (::poll(&input, 1, kAskMilliseconds) <= 0) continue;
      char byte = 0;
      const ssize_t size = ::read(STDIN_FILENO, &byte, 1);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return static_cast<int>(size);
      // What Linux leaves of a Ctrl-D that was typed before libedit had the terminal.
      if (byte == '\0') byte = kControlD;
      const size_t decoded = std::mbrtowc(character, &byte, 1, &decoding);
      if (decoded == static_cast<size_t>(-2)) continue;  // the character goes on
      if (decoded != static_cast<size_t>(-1)) return 1;
      decoding = {};  // no text: dropped
    }
  }

  explicit State(std::function<bool()> given_interrupted)
      : interrupted(std::move(given_interrupted)) {
    UseUtf8Characters();
    editor = el_init("tandem", stdin, stdout, stderr);
    history = history_init();
    if (editor == nullptr || history == nullptr) throw ConfigError("the terminal cannot be used");
    el_set(editor, EL_CLIENTDATA, this);
    el_set(editor, EL_PROMPT, &State::Prompt);
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_GETCFN, &State::ReadCharacter);
    ::history(history, &event, H_SETSIZE, kHistoryLines);
    el_set(editor, EL_HIST, ::history, history);
    el_source(editor, nullptr);  // ~/.editrc, as in other programs
  }
  ~State() {
    if (history != nullptr) history_end(history);
    if (editor != nullptr) el_end(editor);
  }
};

LineEditor::LineEditor(std::function<bool()> interrupted) {
  if (::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0) {
    state_ = std::make_unique<State>(std::move(interrupted));
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
