#include "engine/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  int value() const { return value_; }

 private:
  int value_;
};

[[noreturn]] void Fail(const std::filesystem::path& path, const std::string& what) {
  throw FormatError("cannot read " + Quoted(path.string()) + ": " + what);
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer; it has no effect on a regular file.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.value() < 0) Fail(path, std::strerror(errno));
  struct stat status {};
  if (fstat(file.value(), &status) != 0) Fail(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) Fail(path, "it is not a regular file");
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0) return;  // mmap refuses empty mappings
  void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value(), 0);
  if (mapped == MAP_FAILED) Fail(path, std::strerror(errno));
  bytes_ = {static_cast<const std::byte*>(mapped), size};
  // Advice only: weights are read once, front to back.
  (void)madvise(mapped, size, MADV_SEQUENTIAL);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::Forget(size_t offset, size_t size) const {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (offset >= bytes_.size()) return;
  const size_t end = offset + std::min(size, bytes_.size() - offset);
  // Whole pages inside the range only: a neighbour's bytes on a shared page stay. The last page of
  // the file counts as whole.
  const size_t first_page = (offset + page - 1) / page;
  const size_t end_page = end == bytes_.size() ? (end + page - 1) / page : end / page;
  if (first_page >= end_page) return;
  auto* start = const_cast<std::byte*>(bytes_.data()) + first_page * page;
  (void)madvise(start, (end_page - first_page) * page, MADV_DONTNEED);
}

}  // namespace tandem
