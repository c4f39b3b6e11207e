#include "engine/base/program_files.h"

#include <system_error>

namespace tandem {

std::filesystem::path ProgramFolder() {
  std::error_code error;  // no /proc: then nothing is found beside the program
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

std::optional<std::filesystem::path> FindProgramFile(const std::filesystem::path& folder,
                                                     const std::filesystem::path& name) {
  for (const char* root : {"../share/tandem", "../../.."}) {
    const std::filesystem::path path = (folder / root / name).lexically_normal();
    std::error_code error;
    if (std::filesystem::exists(path, error)) return path;
  }
  return std::nullopt;
}

}  // namespace tandem
