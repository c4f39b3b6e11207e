#pragma once
// Fills a directory beside its place and moves it there when complete, so that a reader, or a
// crash, sees the old directory or the new one and nothing between. Throws DeviceError when the
// disk refuses. Owned by the writer; one thread.

#include <filesystem>

namespace tandem {

class AtomicDirectory {
 public:
  // Makes an empty temporary directory in the same parent, and the parent where it is missing.
  explicit AtomicDirectory(const std::filesystem::path& path);
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;
  // Removes the temporary directory unless Commit was reached; after it, what was replaced.
  ~AtomicDirectory();

  // Where to write files until Commit; each is durable on its own (AtomicFile).
  const std::filesystem::path& temporary() const { return temporary_; }
  // Moves it to its place, durably. A directory that is there already is replaced in one instant.
  // Once.
  void Commit();

 private:
  [[noreturn]] void Fail(const char* action) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
};

// Removes a directory with all that is in it. After a crash it is there whole, or not under its
// name.
void RemoveDirectoryAtomically(const std::filesystem::path& path);

}  // namespace tandem
