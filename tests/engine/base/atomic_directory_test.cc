#include "engine/base/atomic_directory.h"

#include <gtest/gtest.h>

#include "engine/base/atomic_file.h"
#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

size_t NumEntries(const std::filesystem::path& directory) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    count += entry.exists() ? 1 : 0;
  }
  return count;
}

void MakeDirectory(const std::filesystem::path& path, const std::string& content) {
  AtomicDirectory directory(path);
  WriteFileAtomically(directory.temporary() / "file", content);
  EXPECT_NE(directory.temporary(), path);
  directory.Commit();
}

TEST(AtomicDirectory, AppearsWhenCommitted) {
  const TemporaryDirectory outer;
  AtomicDirectory directory(outer / "deep/er/a");
  WriteFileAtomically(directory.temporary() / "file", "content");
  EXPECT_FALSE(std::filesystem::exists(outer / "deep/er/a"));
  directory.Commit();
  EXPECT_EQ(outer.Read("deep/er/a/file"), "content");
  EXPECT_EQ(NumEntries(outer / "deep/er"), 1u);
}

TEST(AtomicDirectory, ReplacesTheOneThatIsThere) {
  const TemporaryDirectory outer;
  for (const std::string content : {"old", "new"}) MakeDirectory(outer / "a", content);
  EXPECT_EQ(outer.Read("a/file"), "new");
  EXPECT_EQ(NumEntries(outer.path()), 1u);
}

TEST(AtomicDirectory, LeavesNothingWhenAbandoned) {
  const TemporaryDirectory outer;
  {
    AtomicDirectory directory(outer / "a");
    WriteFileAtomically(directory.temporary() / "file", "half");
  }
  EXPECT_EQ(NumEntries(outer.path()), 0u);
}

TEST(AtomicDirectory, PassesOverWhatAnEarlierProcessLeft) {
  const TemporaryDirectory outer;
  const std::string last = TemporaryBeside(outer / "a").string();
  const size_t count_at = last.rfind('-') + 1;
  const int count = std::stoi(last.substr(count_at));
  for (int next = count + 1; next <= count + 20; ++next) {
    std::filesystem::create_directories(last.substr(0, count_at) + std::to_string(next) + "/left");
  }
  MakeDirectory(outer / "a", "content");
  EXPECT_EQ(outer.Read("a/file"), "content");
  EXPECT_EQ(NumEntries(outer.path()), 21u);
}

TEST(AtomicDirectory, NamesWhatIsInItsWay) {
  const TemporaryDirectory outer;
  outer.Write("a", "a file");
  EXPECT_TRUE(Contains(MessageOf<DeviceError>([&] { MakeDirectory(outer / "a", "x"); }),
                       "to become \"a\": Not a directory"));
  EXPECT_TRUE(
      Contains(MessageOf<DeviceError>([&] { AtomicDirectory(outer / "a/b"); }), "cannot create"));
  EXPECT_EQ(outer.Read("a"), "a file");
  EXPECT_EQ(NumEntries(outer.path()), 1u);
}

TEST(AtomicDirectory, IsRemovedWithAllInIt) {
  const TemporaryDirectory outer;
  MakeDirectory(outer / "a", "x");
  MakeDirectory(outer / "a/b", "y");
  RemoveDirectoryAtomically(outer / "a");
  EXPECT_EQ(NumEntries(outer.path()), 0u);
  EXPECT_TRUE(Contains(MessageOf<DeviceError>([&] { RemoveDirectoryAtomically(outer / "a"); }),
                       "cannot remove"));
}

}  // namespace
}  // namespace tandem
