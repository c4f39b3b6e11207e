#pragma once
// A regular file that only this process has, for readers that take a path. Nothing reaches a disk.

#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "kernels/core/check.h"

namespace tandem {

class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    CHECK(descriptor_ >= 0);
    const ssize_t written = ::write(descriptor_, content.data(), content.size());
    CHECK(written == static_cast<ssize_t>(content.size()), written);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(descriptor_); }

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace tandem
