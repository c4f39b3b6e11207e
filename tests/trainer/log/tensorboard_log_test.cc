#include "trainer/log/tensorboard_log.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <sstream>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;
using TimePoint = std::chrono::system_clock::time_point;

TimePoint FixedTime() { return TimePoint(milliseconds(1790000000250)); }

std::string ReadAll(const std::filesystem::path& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

TensorboardLogOptions Options(const TemporaryDirectory& directory, int64_t first_step) {
  return {.directory = directory / "run",
          .run_id = "golden",
          .first_step = first_step,
          .now = FixedTime};
}

// tests/golden/make_tensorboard.py has the same events.
TEST(TensorboardLog, WritesTheBytesOfTensorboardsOwnWriter) {
  const TemporaryDirectory directory;
  TensorboardLog log(Options(directory, 3));
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  log.LogStep({.step = 0, .loss = 9.5, .gradient_norm = 1.25, .rate = 3e-4, .num_tokens = 1024},
              TrainingLog::Seconds(0.5));
  log.LogStep({.step = 300,
               .loss = 2.75,
               .balance_loss = 0.125,
               .gradient_norm = 1e-3,
               .rate = 1e-5,
               .num_tokens = 1024},
              TrainingLog::Seconds(0));
  log.LogStep({.step = int64_t{1} << 40,
               .loss = std::numeric_limits<double>::quiet_NaN(),
               .balance_loss = kInfinity,
               .gradient_norm = -kInfinity,
               .num_tokens = 2,
               .skipped = "the loss is not finite"},
              TrainingLog::Seconds(2));
  const EvaluationValue values[] = {{"loss", 3.1}, {"verlust in \u00fc", -0.0}};
  log.LogEvaluation(300, values);
  log.LogEvent(300, "checkpoint", "");
  EXPECT_EQ(log.path().filename(), "events.out.tfevents.1790000000.golden");
  const std::string expected = ReadAll(std::filesystem::path(TANDEM_SOURCE_DIR) /
                                       "tests/golden/tensorboard" / log.path().filename());
  ASSERT_FALSE(expected.empty());
  EXPECT_EQ(ReadAll(log.path()), expected);
}

TEST(TensorboardLog, AResumeAddsAFileThatReplacesLaterSteps) {
  const TemporaryDirectory directory;
  const TensorboardLog first(Options(directory, 0));
  const TensorboardLog second(Options(directory, 7));
  const std::string version = FramedRecord(FileVersionEvent(1790000000.25));
  EXPECT_EQ(ReadAll(first.path()), version);
  EXPECT_EQ(second.path().filename(), "events.out.tfevents.1790000001.golden");
  EXPECT_EQ(second.path().parent_path(), first.path().parent_path());
  EXPECT_EQ(ReadAll(second.path()), version + FramedRecord(SessionStartEvent(1790000000.25, 7)));
}

TEST(TensorboardLog, RefusesARunIdThatCannotBePartOfAFileName) {
  const TemporaryDirectory directory;
  for (const char* id : {"", "a/b", "a b", "\n"}) {
    TensorboardLogOptions options = Options(directory, 0);
    options.run_id = id;
    EXPECT_TRUE(Contains(MessageOf<ConfigError>([&] { TensorboardLog log(options); }), "run id"));
  }
}

TEST(TensorboardLog, SaysWhichDirectoryItCannotMake) {
  const TemporaryDirectory directory;
  directory.Write("run", "a file");
  const std::string message =
      MessageOf<DeviceError>([&] { TensorboardLog log(Options(directory, 0)); });
  EXPECT_TRUE(Contains(message, "/run\""));
}

}  // namespace
}  // namespace tandem
