#include "loadtest/ladder/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr std::chrono::seconds kGrace(15);  // from SIGTERM to SIGKILL

// Ends that are closed with the object.
class Pipe {
 public:
  Pipe() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) {
      throw DeviceError(fmt::format("no pipe for a child process: {}", std::strerror(errno)));
    }
  }
  ~Pipe() {
    for (const int end : ends_) {
      if (end >= 0) ::close(end);
    }
  }
  Pipe(const Pipe&) = delete;

  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  int TakeReadEnd() { return std::exchange(ends_[0], -1); }
  void CloseWriteEnd() { ::close(std::exchange(ends_[1], -1)); }

 private:
  std::array<int, 2> ends_{-1, -1};
};

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> VariablesOfOthers() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("TANDEM_")) variables.emplace_back(*variable);
  }
  return variables;
}

struct ChildEnds {
  int output = -1;
  int failure = -1;  // gets errno when the program cannot be run; closed when it runs
  pid_t parent = -1;
};

// Between fork and exec: nothing that allocates or locks. Signals have their usual meaning first: a
// handler of ours would swallow them.
[[noreturn]] void Become(const ChildEnds& ends, char* const* arguments, char* const* variables) {
  for (const int number : {SIGINT, SIGTERM}) ::signal(number, SIG_DFL);
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != ends.parent) ::_exit(1);  // it was killed before the line above
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(ends.output, STDOUT_FILENO);
  ::dup2(ends.output, STDERR_FILENO);
  ::execve(arguments[0], arguments, variables);
  const int error = errno;
  const ssize_t written = ::write(ends.failure, &error, sizeof(error));
  ::_exit(written == sizeof(error) ? 127 : 126);
}

}  // namespace

ChildProcess::ChildProcess(const std::filesystem::path& program,
                           const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = VariablesOfOthers();
  Start(Pointers(words), Pointers(variables));
}

void ChildProcess::Start(const std::vector<char*>& arguments, const std::vector<char*>& variables) {
  Pipe output;
  Pipe failure;
  const ChildEnds ends{
      .output = output.write_end(), .failure = failure.write_end(), .parent = ::getpid()};
  pid_ = ::fork();
  if (pid_ == 0) Become(ends, arguments.data(), variables.data());
  if (pid_ < 0) throw DeviceError(fmt::format("no child process: {}", std::strerror(errno)));
  failure.CloseWriteEnd();
  // Not before it is the program: what we send it is then for that.
  int error = 0;
  ssize_t size = 0;
  do {
    size = ::read(failure.read_end(), &error, sizeof(error));
  } while (size < 0 && errno == EINTR);
  if (size == sizeof(error)) {
    Reap(kGrace);
    throw ConfigError(
        fmt::format("{} cannot be run: {}", Quoted(arguments[0]), std::strerror(error)));
  }
  output_ = output.TakeReadEnd();
}

ChildProcess::~ChildProcess() {
  Stop();
  ::close(output_);
}

std::string ChildProcess::Stop() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
  return WaitForEnd(kGrace);
}

std::string ChildProcess::WaitForEnd(std::chrono::milliseconds longest) {
  if (pid_ > 0 && !Reap(longest)) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
    pid_ = -1;
  }
  return EndText();
}

bool ChildProcess::Reap(std::chrono::milliseconds longest) {
  // Readable once it has ended. Where the system has none it is given no time, and a signal to us,
  // such as a second Ctrl-C, cuts it short.
  pollfd ended{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)), POLLIN, 0};
  if (ended.fd >= 0) {
    ::poll(&ended, 1, static_cast<int>(longest.count()));
    ::close(ended.fd);
  }
  if (::waitpid(pid_, &status_, WNOHANG) != pid_) return false;
  pid_ = -1;
  return true;
}

std::string ChildProcess::EndText() const {
  if (WIFEXITED(status_)) return fmt::format("with status {}", WEXITSTATUS(status_));
  return fmt::format("by signal {} ({})", WTERMSIG(status_), ::strsignal(WTERMSIG(status_)));
}

}  // namespace tandem
