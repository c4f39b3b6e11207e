#pragma once
// A file that grows record by record: each one is in the file, whole, when Append returns, or not
// at all. One thread at a time. Throws DeviceError when the disk refuses.

#include <filesystem>
#include <string_view>

namespace tandem {

class AppendFile {
 public:
  enum class Existing { kContinue, kRefuse };
  // Makes the file when there is none.
  AppendFile(const std::filesystem::path& path, Existing existing);
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  ~AppendFile();

  // When the disk has no room for all of it, the part that was written is taken back.
  void Append(std::string_view record);

  const std::filesystem::path& path() const { return path_; }

 private:
  [[noreturn]] void Fail(const char* action, int error) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace tandem
