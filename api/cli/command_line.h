#pragma once
// The commands that the program `tandem` runs itself.

#include "engine/base/command_line.h"

namespace tandem {

// Each returns the exit status, and throws what it cannot do.
int Chat(const CommandLine& line);
int Serve(const CommandLine& line);
int Generate(const CommandLine& line);
int Inspect(const CommandLine& line);
int Completion(const CommandLine& line);
int Man(const CommandLine& line);
int Help(const CommandLine& line);

}  // namespace tandem
