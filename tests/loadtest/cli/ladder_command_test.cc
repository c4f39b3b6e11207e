// `tandem-loadtest ladder` where it cannot climb: programs that are no server. tests/e2e climbs.

#include "loadtest/cli/ladder_command.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/command_run.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

class LadderCommand : public ::testing::Test {
 protected:
  LadderCommand()
      : workload_(TANDEM_SOURCE_DIR "/configs/load/ladder.yaml"),
        text_(folder_.Write("text.txt", "a text")) {}

  // A program of the shell's in place of tandem.
  std::string Server(const std::string& script) {
    const std::string path = folder_.Write("server.sh", "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  CommandOutcome Climb(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {workload_, "--text", text_});
    return RunInProcess("tandem-loadtest ladder", RunLadder, std::move(arguments));
  }
  std::string Failure(std::vector<std::string> arguments) {
    const CommandOutcome outcome = Climb(std::move(arguments));
    EXPECT_EQ(outcome.status, kExitUsage) << outcome.out;
    return outcome.err;
  }

  const TemporaryDirectory folder_;
  const std::string workload_;
  const std::string text_;
};

TEST_F(LadderCommand, NamesAServerProgramThatIsNotThere) {
  EXPECT_TRUE(Contains(Failure({"--server", "/no/such/tandem"}), "\"/no/such/tandem\""));
  EXPECT_TRUE(Contains(Failure({}), "--server PATH")) << "the tests lie in another folder";
  EXPECT_TRUE(Contains(Failure({"--server", text_}), "Permission denied"));
}

TEST_F(LadderCommand, TellsWhatAServerSaidThatDiedAtItsStart) {
  const std::string error = Failure({"--server", Server("echo no room for the model; exit 4"),
                                     "--model", "/a/model", "--serve-flag=--cpu-isa=avx2"});
  EXPECT_TRUE(Contains(error, "server.sh serve --host=127.0.0.1 --port=0"));
  EXPECT_TRUE(Contains(error, "--no-enable-prefix-caching --model=/a/model --cpu-isa=avx2"));
  EXPECT_TRUE(Contains(error, "ended with status 4 and said last: \"no room for the model\""));
  EXPECT_TRUE(Contains(error, "try that command by itself"));
}

TEST_F(LadderCommand, DoesNotWaitForeverAndLeavesNoChild) {
  const std::string pid_file = (folder_ / "pid").string();
  const std::string error =
      Failure({"--server", Server("echo $$ > " + pid_file + "; echo loading; exec sleep 1000"),
               "--ready-within", "300ms"});
  EXPECT_TRUE(Contains(error, "not ready within 300ms"));
  EXPECT_TRUE(Contains(error, "--ready-within"));
  EXPECT_EQ(::kill(std::stoi(folder_.Read("pid")), 0), -1);
}

TEST_F(LadderCommand, RefusesWrongTextsAndLoads) {
  const std::string server = Server("exit 1");
  EXPECT_TRUE(Contains(Failure({"--server", server, "--concurrency", "0"}), "--concurrency"));
  EXPECT_TRUE(Contains(Failure({"--server", server, "--warm-up", "60s"}), "warm-up"));
  const std::string empty = folder_.Write("empty.txt", "");
  const CommandOutcome outcome = RunInProcess("tandem-loadtest ladder", RunLadder,
                                              {workload_, "--server", server, "--text", empty});
  EXPECT_TRUE(Contains(outcome.err, "is empty"));
  const CommandOutcome chat = RunInProcess(
      "tandem-loadtest ladder", RunLadder,
      {TANDEM_SOURCE_DIR "/configs/load/closed_loop.yaml", "--server", server, "--text", text_});
  EXPECT_TRUE(Contains(chat.err, "api must be completions"));
}

}  // namespace
}  // namespace tandem
