#pragma once
// A command as a child process, to its end.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tandem {

struct CommandEnd {
  bool succeeded = false;
  std::string end;   // "with status 2", "when its time was over"
  std::string text;  // what it wrote, on both streams

  std::string Describe() const;  // how it ended and the last of what it said
};

CommandEnd RunToEnd(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                    double seconds);

// A program on PATH.
std::optional<std::filesystem::path> FindOnPath(const std::string& name);

// This very program.
std::filesystem::path ThisProgram();

}  // namespace tandem
