#pragma once
// A child process whose output comes on one pipe, and which never outlives the object: it is told
// to end, killed if it does not, and reaped. Should this process be killed, the system tells it in
// our stead. Owned by one thread, the one that made it.

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tandem {

class ChildProcess {
 public:
  // Starts it with nothing to read, in a process group of its own, so that a Ctrl-C reaches us
  // alone, and without TANDEM_* variables, so that `arguments` say all there is. ConfigError when
  // the program cannot be run, DeviceError when the system gives no process.
  ChildProcess(const std::filesystem::path& program, const std::vector<std::string>& arguments);
  ~ChildProcess();  // Stop
  ChildProcess(const ChildProcess&) = delete;

  // The end to read from, of what it writes to both of its streams. Stays ours.
  int output() const { return output_; }

  // SIGTERM, and SIGKILL after a while. The text says how it ended: "with status 2".
  std::string Stop();
  // Waits for one that closed its output by itself.
  std::string WaitForEnd(std::chrono::milliseconds longest);

 private:
  void Start(const std::vector<char*>& arguments, const std::vector<char*>& variables);
  // False when it still runs.
  bool Reap(std::chrono::milliseconds longest);
  std::string EndText() const;

  pid_t pid_ = -1;  // -1: it was reaped
  int output_ = -1;
  int status_ = 0;  // of waitpid; set by Reap
};

}  // namespace tandem
