#include "engine/base/atomic_directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>

#include "engine/base/atomic_file.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

[[noreturn]] void FailAt(const char* action, const std::filesystem::path& path,
                         const std::string& reason) {
  throw DeviceError(std::string("cannot ") + action + " " + Quoted(path.string()) + ": " + reason);
}

void MakeParent(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.parent_path();
  std::error_code error;
  if (parent.empty() || !std::filesystem::create_directories(parent, error)) {
    if (error) FailAt("create", parent, error.message());
    return;
  }
  SyncDirectory(parent.has_parent_path() ? parent.parent_path() : ".");
}

}  // namespace

AtomicDirectory::AtomicDirectory(const std::filesystem::path& path)
    : path_(path), temporary_(TemporaryBeside(path)) {
  MakeParent(path_);
  while (mkdir(temporary_.c_str(), 0777) != 0) {
    // In a container, a process that was killed often had this very id.
    if (errno != EEXIST) Fail("create");
    temporary_ = TemporaryBeside(path_);
  }
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(temporary_, ignored);
}

void AtomicDirectory::Fail(const char* action) const {
  const int reason = errno;
  throw DeviceError(std::string("cannot ") + action + " " + Quoted(temporary_.string()) +
                    " to become " + Quoted(path_.filename().string()) + ": " +
                    std::strerror(reason));
}

void AtomicDirectory::Commit() {
  SyncDirectory(temporary_);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST) Fail("rename");
    // The two change places; the destructor removes the older one.
    if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) != 0) {
      Fail("exchange");
    }
  }
  SyncDirectory(path_.has_parent_path() ? path_.parent_path() : ".");
}

void RemoveDirectoryAtomically(const std::filesystem::path& path) {
  std::filesystem::path temporary = TemporaryBeside(path);
  while (rename(path.c_str(), temporary.c_str()) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST) FailAt("remove", path, std::strerror(errno));
    temporary = TemporaryBeside(path);
  }
  std::error_code error;
  std::filesystem::remove_all(temporary, error);
  if (error) FailAt("remove", temporary, error.message());
}

}  // namespace tandem
