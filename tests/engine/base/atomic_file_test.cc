#include "engine/base/atomic_file.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

size_t NumFiles(const TemporaryDirectory& directory) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    count += entry.exists() ? 1 : 0;
  }
  return count;
}

TEST(AtomicFile, AppearsWhenCommitted) {
  const TemporaryDirectory directory;
  directory.Write("a", "old");
  AtomicFile file(directory / "a");
  file.Write(std::string_view("new "));
  file.Write(std::string_view("content"));
  EXPECT_EQ(directory.Read("a"), "old");
  file.Commit();
  EXPECT_EQ(directory.Read("a"), "new content");
  EXPECT_EQ(NumFiles(directory), 1u);
}

TEST(AtomicFile, LeavesNothingWhenAbandoned) {
  const TemporaryDirectory directory;
  {
    AtomicFile file(directory / "a");
    file.Write(std::string_view("half"));
  }
  EXPECT_EQ(NumFiles(directory), 0u);
}

TEST(AtomicFile, NamesTheFileThatCannotBeWritten) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(Contains(
      MessageOf<DeviceError>([&] { WriteFileAtomically(directory / "absent/a", "x"); }), "absent"));
}

}  // namespace
}  // namespace tandem
