#pragma once
// What a command of a program gets, and what its end means to the shell. Made by main; commands use
// nothing else of the process but the variables that Settings reads.

#include <functional>
#include <iosfwd>
#include <string>

namespace tandem {

struct CommandLine {
  int argc = 0;
  const char* const* argv = nullptr;  // [0] is the command's name
  std::ostream& out;                  // results
  std::ostream& err;                  // everything about how it goes
};

inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;  // the command line, its files or their combination are wrong

// What `run` returns; or, when it throws, the status for that error, which is written to line.err
// after `title` ("tandem serve").
int RunCommand(const std::string& title, const std::function<int(const CommandLine&)>& run,
               const CommandLine& line);

}  // namespace tandem
