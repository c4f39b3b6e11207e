#pragma once
// A command of one of the programs, run in this process.

#include <sstream>
#include <string>
#include <vector>

#include "engine/base/command_line.h"

namespace tandem {

struct CommandOutcome {
  int status;
  std::string out;
  std::string err;
};

inline CommandOutcome RunInProcess(const char* name, int (*run)(const CommandLine&),
                                   std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "command");
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  std::ostringstream out;
  std::ostringstream err;
  const int status = RunCommand(
      name, run,
      {.argc = static_cast<int>(argv.size()), .argv = argv.data(), .out = out, .err = err});
  return {status, out.str(), err.str()};
}

}  // namespace tandem
