#include "engine/base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

std::filesystem::path DirectoryOf(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

std::filesystem::path TemporaryBeside(const std::filesystem::path& path) {
  static std::atomic<uint64_t> count{0};
  std::string name = path.filename().string();
  name.insert(0, 1, '.');
  name += ".tmp-" + std::to_string(getpid()) + "-" + std::to_string(count.fetch_add(1));
  return DirectoryOf(path) / name;
}

void SyncDirectory(const std::filesystem::path& directory) {
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  (void)fsync(descriptor);
  close(descriptor);
}

AtomicFile::AtomicFile(const std::filesystem::path& path)
    : path_(path), temporary_(TemporaryBeside(path)) {
  descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) Fail("create");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

void AtomicFile::Fail(const char* action) const {
  throw DeviceError(std::string("cannot ") + action + " " + Quoted(temporary_.string()) +
                    " to become " + Quoted(path_.filename().string()) + ": " +
                    std::strerror(errno));
}

void AtomicFile::Write(std::span<const std::byte> bytes) {
  constexpr size_t kMaxChunk = size_t{1} << 30;  // Linux writes at most 2 GiB in one call
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor_, bytes.data(), std::min(bytes.size(), kMaxChunk));
    if (written < 0) {
      if (errno == EINTR) continue;
      Fail("write");
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::Commit() {
  if (fsync(descriptor_) != 0) Fail("sync");
  if (rename(temporary_.c_str(), path_.c_str()) != 0) Fail("rename");
  close(descriptor_);
  descriptor_ = -1;
  SyncDirectory(DirectoryOf(path_));  // the rename itself is durable only with it
}

void WriteFileAtomically(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.Write(content);
  file.Commit();
}

}  // namespace tandem
