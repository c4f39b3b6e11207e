#include "trainer/log/append_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using Existing = AppendFile::Existing;

TEST(AppendFile, ContinuesWhatIsThere) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("log", "one\n");
  AppendFile(path, Existing::kContinue).Append("two\n");
  EXPECT_EQ(directory.Read("log"), "one\ntwo\n");
}

TEST(AppendFile, RefusesAFileThatIsThereWhereItMustBeNew) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("log", "one\n");
  const std::string message = MessageOf<DeviceError>([&] { AppendFile(path, Existing::kRefuse); });
  EXPECT_TRUE(Contains(message, "log\": File exists"));
}

// Files of this process end at `bytes` as long as the object lives, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = signal(SIGXFSZ, SIG_IGN);
  }
  ~FileSizeLimit() {
    signal(SIGXFSZ, handler_);
    setrlimit(RLIMIT_FSIZE, &before_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_ = SIG_DFL;
};

TEST(AppendFile, TakesBackARecordThatDoesNotFit) {
  const TemporaryDirectory directory;
  AppendFile file(directory / "log", Existing::kRefuse);
  file.Append("one\n");
  {
    const FileSizeLimit limit(6);
    EXPECT_TRUE(Contains(MessageOf<DeviceError>([&] { file.Append("two\n"); }), "cannot write to"));
  }
  EXPECT_EQ(directory.Read("log"), "one\n");
  file.Append("three\n");
  EXPECT_EQ(directory.Read("log"), "one\nthree\n");
}

}  // namespace
}  // namespace tandem
