#include "engine/base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <utility>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

std::string Text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsTheBytesOfAFile) {
  const TemporaryDirectory directory;
  const MappedFile file(directory.Write("a", "hello"));
  EXPECT_EQ(Text(file), "hello");
  EXPECT_EQ(file.path(), directory / "a");
}

TEST(MappedFile, AcceptsAnEmptyFile) {
  const TemporaryDirectory directory;
  const MappedFile file(directory.Write("empty", ""));
  EXPECT_TRUE(file.bytes().empty());
  file.Forget(0, 100);
}

TEST(MappedFile, RefusesWhatIsNoRegularFile) {
  const TemporaryDirectory directory;
  const std::filesystem::path fifo = directory / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { MappedFile{fifo}; }), "not a regular file"));
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { MappedFile{directory.path()}; }),
                       "not a regular file"));
  EXPECT_TRUE(
      Contains(MessageOf<FormatError>([&] { MappedFile{directory / "absent"}; }), "No such file"));
}

TEST(MappedFile, FollowsALink) {
  const TemporaryDirectory directory;
  directory.Write("target", "linked");
  std::filesystem::create_symlink("target", directory / "link");
  EXPECT_EQ(Text(MappedFile(directory / "link")), "linked");
}

TEST(MappedFile, MovesItsMapping) {
  const TemporaryDirectory directory;
  MappedFile first(directory.Write("a", "aaa"));
  MappedFile second(directory.Write("b", "bb"));
  first = std::move(second);
  EXPECT_EQ(Text(first), "bb");
  const MappedFile third(std::move(first));
  EXPECT_EQ(Text(third), "bb");
}

TEST(MappedFile, ReadsForgottenPagesAgain) {
  const TemporaryDirectory directory;
  std::string content(100'000, 'x');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('a' + i % 23);
  const MappedFile file(directory.Write("a", content));
  EXPECT_EQ(Text(file), content);
  file.Forget(10, 90'000);
  file.Forget(0, content.size());
  file.Forget(50'000, static_cast<size_t>(-1));
  file.Forget(content.size(), 1);
  EXPECT_EQ(Text(file), content);
}

}  // namespace
}  // namespace tandem
