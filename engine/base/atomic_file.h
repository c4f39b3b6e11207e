#pragma once
// Writes a file beside its place and renames it there when complete, so that a reader, or a crash,
// sees the old file or the new one and nothing between. Throws DeviceError when the disk refuses.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace tandem {

class AtomicFile {
 public:
  // Opens a temporary file in the same directory.
  explicit AtomicFile(const std::filesystem::path& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  // Removes the temporary file unless Commit was reached.
  ~AtomicFile();

  void Write(std::span<const std::byte> bytes);
  void Write(std::string_view text) { Write(std::as_bytes(std::span(text))); }
  // Makes the content durable (fsync of file and directory) and moves it to its place. Once.
  void Commit();

 private:
  [[noreturn]] void Fail(const char* action) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

// The whole content at once.
void WriteFileAtomically(const std::filesystem::path& path, std::string_view content);

// A hidden name in the directory of `path`, unlike any other live writer's:
// ".name.tmp-<process>-<count>".
std::filesystem::path TemporaryBeside(const std::filesystem::path& path);
// Makes renames inside a directory durable. Some file systems cannot sync one: then they order
// renames by themselves, and nothing is done.
void SyncDirectory(const std::filesystem::path& directory);

}  // namespace tandem
