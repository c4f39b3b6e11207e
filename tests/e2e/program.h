#pragma once
// A child process whose output can be waited for, on pipes or on a terminal of its own. Killed and
// reaped at the end.

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

namespace tandem {

class Program {
 public:
  enum class Streams { kPipes, kTerminal };

  // False where no terminal can be opened: a container without /dev/pts.
  static bool CanHaveTerminal() {
    int master = -1, slave = -1;
    if (::openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) return false;
    ::close(master);
    ::close(slave);
    return true;
  }

  explicit Program(const std::vector<std::string>& command, Streams streams = Streams::kPipes) {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    if (streams == Streams::kTerminal) {
      StartOnTerminal(arguments.data());
    } else {
      StartOnPipe(arguments.data());
    }
  }
  ~Program() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(output_);
  }
  Program(const Program&) = delete;

  void Signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);  // of -1 it would reach every process
  }
  // As if typed; on a terminal only.
  void Type(const std::string& text) const {
    if (::write(output_, text.data(), text.size()) < 0) Signal(SIGKILL);
  }
  void ForgetOutput() { text_.clear(); }

  // True once the output (both streams) has `part`; false at its end or after `longest`.
  bool WaitForOutput(const std::string& part,
                     std::chrono::seconds longest = std::chrono::seconds(60)) {
    const auto deadline = std::chrono::steady_clock::now() + longest;
    while (text_.find(part) == std::string::npos) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      pollfd poll{output_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&poll, 1, static_cast<int>(left.count())) <= 0) return false;
      char buffer[4096];
      const ssize_t size = ::read(output_, buffer, sizeof(buffer));
      if (size <= 0) return text_.find(part) != std::string::npos;
      text_.append(buffer, static_cast<size_t>(size));
    }
    return true;
  }
  const std::string& text() const { return text_; }

  // Reads to the end of the output, then the exit status; -1 when a signal ended it, also ours
  // after a minute.
  int Wait() {
    WaitForOutput("\x01 never printed");
    int status = 0;
    for (int i = 0; ::waitpid(pid_, &status, WNOHANG) == 0; ++i) {
      if (i == 500) Signal(SIGKILL);
      ::usleep(10'000);
    }
    pid_ = -1;
    end_signal_ = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // The signal that ended it, as Wait found; 0: none did.
  int end_signal() const { return end_signal_; }

 private:
  void StartOnPipe(char* const* arguments) {
    std::array<int, 2> pipe_ends{};
    if (::pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(pipe_ends[1], STDOUT_FILENO);
      ::dup2(pipe_ends[1], STDERR_FILENO);
      ::execv(arguments[0], arguments);
      ::_exit(127);
    }
    ::close(pipe_ends[1]);
    output_ = pipe_ends[0];
  }
  void StartOnTerminal(char* const* arguments) {
    winsize size{.ws_row = 40, .ws_col = 120};
    pid_ = ::forkpty(&output_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      ::setenv("TERM", "dumb", 1);
      ::execv(arguments[0], arguments);
      ::_exit(127);
    }
  }

  pid_t pid_ = -1;
  int output_ = -1;
  std::string text_;
  int end_signal_ = 0;  // set by Wait
};

}  // namespace tandem
