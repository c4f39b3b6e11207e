#include "tests/gpu/command_run.h"

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <sstream>

#include "loadtest/ladder/child_process.h"

namespace tandem {

std::string CommandEnd::Describe() const {
  constexpr size_t kLast = 600;
  const std::string last = text.size() > kLast ? text.substr(text.size() - kLast) : text;
  return "it ended " + end + (last.empty() ? "" : "; it said last: " + last);
}

CommandEnd RunToEnd(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                    double seconds) {
  using WallClock = std::chrono::steady_clock;
  const auto deadline = WallClock::now() + std::chrono::duration_cast<WallClock::duration>(
                                               std::chrono::duration<double>(seconds));
  CommandEnd command;
  ChildProcess process(program, arguments);
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - WallClock::now());
    pollfd poll{process.output(), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&poll, 1, static_cast<int>(left.count())) <= 0) {
      process.Stop();
      command.end = "when its time was over";
      return command;
    }
    char buffer[4096];
    const ssize_t size = ::read(process.output(), buffer, sizeof(buffer));
    if (size <= 0) break;
    command.text.append(buffer, static_cast<size_t>(size));
  }
  command.end = process.WaitForEnd(std::chrono::seconds(10));
  command.succeeded = command.end == "with status 0";
  return command;
}

std::optional<std::filesystem::path> FindOnPath(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path candidate = std::filesystem::path(folder) / name;
    if (::access(candidate.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(candidate)) {
      return candidate;
    }
  }
  return std::nullopt;
}

std::filesystem::path ThisProgram() { return std::filesystem::read_symlink("/proc/self/exe"); }

}  // namespace tandem
