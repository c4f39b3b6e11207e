#include "trainer/log/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {

AppendFile::AppendFile(const std::filesystem::path& path, Existing existing) : path_(path) {
  const int exclusive = existing == Existing::kRefuse ? O_EXCL : 0;
  descriptor_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | exclusive, 0666);
  if (descriptor_ < 0) Fail("open", errno);
}

AppendFile::~AppendFile() { close(descriptor_); }

void AppendFile::Append(std::string_view record) {
  const off_t start = lseek(descriptor_, 0, SEEK_END);
  if (start < 0) Fail("seek in", errno);
  while (!record.empty()) {
    const ssize_t written = write(descriptor_, record.data(), record.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      const int error = errno;
      (void)!ftruncate(descriptor_, start);  // if that fails too, a reader drops the torn record
      Fail("write to", error);
    }
    record.remove_prefix(static_cast<size_t>(written));
  }
}

void AppendFile::Fail(const char* action, int error) const {
  throw DeviceError(std::string("cannot ") + action + " " + Quoted(path_.string()) + ": " +
                    std::strerror(error));
}

}  // namespace tandem
