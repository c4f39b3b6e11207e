#include "trainer/log/run_journal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

class RunJournals : public testing::Test {
 protected:
  RunJournalOptions Options(int64_t first_step = 0) const {
    return {
        .output = directory_.path(),
        .tensorboard = directory_ / "events",
        .run_id = "run-1",
        .progress = {
            .columns = {}, .first_step = first_step, .total_steps = 10, .steps_per_plain_line = 1}};
  }
  static void Steps(RunJournal& journal, int64_t first, int64_t end) {
    for (int64_t step = first; step < end; ++step) {
      journal.Step({.step = step, .loss = 2.0}, std::chrono::duration<double>(1.0));
    }
  }
  int64_t NumLines() const {
    const std::string log = directory_.Read("log.jsonl");
    return std::count(log.begin(), log.end(), '\n');
  }
  TemporaryDirectory directory_;
  std::ostringstream out_;
};

TEST_F(RunJournals, TellPeopleAndPrograms) {
  RunJournal journal(Options(), out_);
  Steps(journal, 0, 1);
  journal.Step({.step = 1, .skipped = "the loss is not finite"}, {});
  const EvaluationValue loss{.name = "loss", .value = 2.5};
  journal.Evaluation(1, {&loss, 1});
  journal.Event(1, "sample", "a text");
  journal.Tell("sample", "a text");
  journal.FinishProgress();
  EXPECT_NE(out_.str().find("step 1/10 (10%)  loss 2.0000"), std::string::npos) << out_.str();
  EXPECT_NE(out_.str().find("skipped           step 2: the loss is not finite\n"),
            std::string::npos);
  EXPECT_NE(out_.str().find("sample            a text\n"), std::string::npos);
  const std::string log = directory_.Read("log.jsonl");
  EXPECT_NE(log.find("{\"step\":1,\"event\":\"skipped\",\"reason\":\"the loss is not finite\"}\n"
                     "{\"step\":1,\"evaluation\":{\"loss\":2.5}}\n"
                     "{\"step\":1,\"event\":\"sample\",\"reason\":\"a text\"}\n"),
            std::string::npos)
      << log;
}

TEST_F(RunJournals, ForgetWhatIsDoneAgain) {
  RunJournal journal(Options(), out_);
  Steps(journal, 0, 6);
  EXPECT_EQ(NumLines(), 6);
  journal.Rewind(4);
  EXPECT_EQ(NumLines(), 4);
  Steps(journal, 4, 10);
  EXPECT_EQ(NumLines(), 10);
  journal.FinishProgress();
  EXPECT_NE(out_.str().find("step 10/10 (100%)"), std::string::npos) << out_.str();
  int num_files = 0;  // the second one tells TensorBoard to forget
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "events")) {
    EXPECT_TRUE(entry.path().filename().string().ends_with(".run-1"));
    ++num_files;
  }
  EXPECT_EQ(num_files, 2);
}

TEST_F(RunJournals, GoOnWithTheLogOfTheRun) {
  {
    RunJournal journal(Options(), out_);
    Steps(journal, 0, 6);
  }
  RunJournal journal(Options(3), out_);
  EXPECT_EQ(NumLines(), 3);
}

}  // namespace
}  // namespace tandem
