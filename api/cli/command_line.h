#pragma once
// What a command gets: its arguments, and where it writes. Made by main; commands use nothing else
// of the process but the variables that Settings reads.

#include <iosfwd>

namespace tandem {

struct CommandLine {
  int argc = 0;
  const char* const* argv = nullptr;  // [0] is the command's name
  std::ostream& out;                  // results
  std::ostream& err;                  // everything about how it goes
};

// Each returns the exit status, and throws what it cannot do.
int Chat(const CommandLine& line);
int Serve(const CommandLine& line);
int Generate(const CommandLine& line);
int Inspect(const CommandLine& line);
int Completion(const CommandLine& line);
int Man(const CommandLine& line);
int Help(const CommandLine& line);

}  // namespace tandem
