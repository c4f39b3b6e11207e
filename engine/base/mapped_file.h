#pragma once
// A file as read-only memory, for as long as the object lives. Throws FormatError naming the file
// when it cannot be opened, or is not a regular file.

#include <cstddef>
#include <filesystem>
#include <span>

namespace tandem {

class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }
  // Tells the system that [offset, offset + size) was read and will not be again (packed weights).
  void Forget(size_t offset, size_t size) const;

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace tandem
