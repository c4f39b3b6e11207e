#include "trainer/training_loop.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <set>
#include <sstream>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/ops/operands.h"
#include "tests/support/random_model.h"
#include "tests/support/temporary_directory.h"
#include "trainer/initialise.h"
#include "trainer/log/run_log.h"

namespace tandem {
namespace {

constexpr int32_t kVocabulary = 40;

ModelConfig SmallConfig() {
  ModelConfig config = Stories260KConfig();
  config.num_layers = 1;
  config.windows.resize(1);
  config.vocab_size = kVocabulary;
  return config;
}

// Sequences of a rule that a model learns fast; some micro-batches are bad ones.
class RuleSource final : public BatchSource {
 public:
  std::set<int64_t> not_finite;
  std::set<int64_t> wrong;  // of another rule: their loss is high once the rule is known

  PositionedBatch Next() override {
    PositionedBatch made{.batch = At(position_.micro_batch), .position = position_};
    ++position_.micro_batch;
    made.next = position_;
    return made;
  }
  void Seek(DataPosition position) override { position_ = position; }
  DataPosition position() const override { return position_; }
  int64_t NumMicroBatches(int64_t) override { return 1'000'000; }
  uint64_t fingerprint() const override { return 7; }

 private:
  TrainBatch At(int64_t index) const {
    TrainBatch batch{.cu_seqlens = {0}};
    for (int32_t s = 0; s < 4; ++s) {
      int32_t id = static_cast<int32_t>((index + 7 * s) % kVocabulary);
      for (int i = 0; i < 12; ++i) {
        batch.token_ids.push_back(id);
        const int32_t next = (id * 3 + 1) % kVocabulary;
        batch.targets.push_back(wrong.contains(index) ? (next + 1) % kVocabulary : next);
        id = next;
      }
      batch.cu_seqlens.push_back(static_cast<int32_t>(batch.token_ids.size()));
    }
    if (not_finite.contains(index)) {
      batch.weights.assign(batch.token_ids.size(), std::numeric_limits<float>::infinity());
    }
    return batch;
  }
  DataPosition position_;
};

struct Plan {
  TrainingLoopOptions loop;
  std::set<int64_t> not_finite;
  std::set<int64_t> wrong;
  std::vector<PeriodicAction> actions;
};

// One start of the program, from the newest checkpoint in its output, if there is one.
class Start {
 public:
  explicit Start(const Plan& plan) : plan_(plan) {
    InitialiseWeights(config_, InitKind::kNormal, 3, trainer_.weights().masters());
    trainer_.weights().Publish(context_);
    source_.not_finite = plan.not_finite;
    source_.wrong = plan.wrong;
    inputs_.data_fingerprint = source_.fingerprint();
    const FoundCheckpoint found = FindNewestCheckpoint(plan.loop.output);
    state_.run_id = "test";
    if (!found.newest) return;
    RestoreCheckpoint(context_, *found.newest, inputs_, trainer_);
    source_.Seek(found.newest->state.position);
    state_ = ParseLoopState(found.newest->state.carried, "test");
  }
  // A signal comes after so many steps of this start; 0: none does.
  LoopEnd Run(int64_t signal_after = 0) {
    std::filesystem::create_directories(plan_.loop.output);
    RunJournal journal({.output = plan_.loop.output,
                        .tensorboard = {},
                        .run_id = state_.run_id,
                        .progress = {.columns = {},
                                     .first_step = trainer_.num_steps(),
                                     .total_steps = plan_.loop.num_steps}},
                       out_);
    int64_t num_asked = 0;
    const auto signal = [&]() -> std::optional<int> {
      return ++num_asked == signal_after ? std::optional(2) : std::nullopt;
    };
    TrainingLoop loop({.context = context_,
                       .trainer = trainer_,
                       .batches = source_,
                       .inputs = inputs_,
                       .journal = journal,
                       .stop_signal = signal,
                       .actions = plan_.actions},
                      plan_.loop, state_);
    return loop.Run();
  }
  std::string Bits() {
    std::string bits;
    for (const Tensor* tensor : AllTensors(trainer_.weights().masters())) {
      bits.append(reinterpret_cast<const char*>(tensor->view().bytes()),
                  static_cast<size_t>(tensor->size_bytes()));
    }
    return bits;
  }
  const Trainer& trainer() const { return trainer_; }
  const RuleSource& source() const { return source_; }
  std::string text() const { return out_.str(); }

 private:
  const Plan& plan_;
  OpContext context_;
  ModelConfig config_ = SmallConfig();
  ModelWeights compute_ = AllocateWeights(config_, DType::kF32);
  Trainer trainer_{context_,
                   config_,
                   compute_,
                   {.optimizer = {},
                    .schedule = {.kind = ScheduleKind::kConstant, .rate = 3e-3, .num_steps = 1000},
                    .max_tokens = 64}};
  RuleSource source_;
  RunInputs inputs_;
  LoopState state_;
  std::ostringstream out_;
};

class TrainingLoops : public testing::Test {
 protected:
  Plan PlanOf(int64_t num_steps, const std::string& name = "run") const {
    Plan plan;
    plan.loop.output = directory_ / name;
    plan.loop.num_steps = num_steps;
    plan.loop.save_every = 5;
    plan.loop.guard.spike_z = 2.0;  // the losses of this model fall over the whole window
    return plan;
  }
  std::set<int64_t> SavedSteps(const std::string& name = "run") const {
    std::set<int64_t> steps;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / name / "checkpoints"))
      steps.insert(std::stoll(entry.path().filename().string().substr(5)));
    return steps;
  }
  TemporaryDirectory directory_;
};

TEST_F(TrainingLoops, RollBackWhenStepsAreSkippedInARow) {
  Plan plan = PlanOf(20);
  plan.not_finite = {11, 12, 13};
  Start start(plan);
  EXPECT_EQ(start.Run(), LoopEnd::kDone) << start.text();
  EXPECT_NE(start.text().find("rolled back       to step 10: step 12: "), std::string::npos)
      << start.text();
  EXPECT_EQ(start.trainer().num_steps(), 20);
  EXPECT_EQ(start.source().position().micro_batch, 24);  // 14 on, in place of 10
  const RunLog log = ReadRunLog(plan.loop.output);
  ASSERT_EQ(log.steps.size(), 20u);
  EXPECT_EQ(log.steps[9].rate, 3e-3);
  EXPECT_EQ(log.steps[10].rate, 1.5e-3);
  EXPECT_EQ(log.num_skipped, 0);  // those steps were done again
}

TEST_F(TrainingLoops, RollBackBeforeALossThatStaysHigh) {
  Plan plan = PlanOf(70);
  plan.wrong = {55, 56, 57};  // the checkpoint of 55 steps saw none of their losses
  Start start(plan);
  EXPECT_EQ(start.Run(), LoopEnd::kDone) << start.text();
  EXPECT_NE(start.text().find("rolled back       to step 50: step 56: the loss "),
            std::string::npos)
      << start.text();
  EXPECT_EQ(SavedSteps(), (std::set<int64_t>{65, 70}));
}

TEST_F(TrainingLoops, GoOnAtALowerRateWithoutACheckpoint) {
  Plan plan = PlanOf(12);
  plan.loop.save_every = 0;
  plan.not_finite = {4, 5, 6};
  Start start(plan);
  EXPECT_EQ(start.Run(), LoopEnd::kDone);
  EXPECT_NE(start.text().find("not rolled back   step 5: "), std::string::npos) << start.text();
  const RunLog log = ReadRunLog(plan.loop.output);
  EXPECT_EQ(log.steps.back().rate, 1.5e-3);
  EXPECT_EQ(log.num_skipped, 3);
}

TEST_F(TrainingLoops, GiveUpAfterTooManyRollbacks) {
  Plan plan = PlanOf(60);
  for (int64_t i = 11; i < 100; ++i) plan.not_finite.insert(i);
  Start start(plan);
  const std::string problem = MessageOf<ConfigError>([&] { start.Run(); });
  EXPECT_NE(problem.find("after 3 rollbacks (--max-rollbacks)"), std::string::npos) << problem;
  // The second time even the step right after 10 was bad, so 10 itself may have been.
  EXPECT_EQ(SavedSteps(), (std::set<int64_t>{5}));
}

TEST_F(TrainingLoops, AreTheSameBitsWhereverTheyAreStopped) {
  Plan plan = PlanOf(70, "whole");
  plan.wrong = {55, 56, 57};
  plan.not_finite = {30, 31, 62, 63, 64};
  Start whole(plan);
  ASSERT_EQ(whole.Run(), LoopEnd::kDone);
  const int64_t signals[] = {31, 55, 56, 57, 58, 59, 60, 63};
  for (const int64_t after : signals) {
    plan.loop.output = directory_ / ("stopped" + std::to_string(after));
    ASSERT_EQ(Start(plan).Run(after), LoopEnd::kSignal) << after;
    ASSERT_EQ(Start(plan).Run(1), LoopEnd::kSignal) << after;
    Start last(plan);
    ASSERT_EQ(last.Run(), LoopEnd::kDone) << after << last.text();
    EXPECT_TRUE(last.Bits() == whole.Bits()) << after << last.text();
    EXPECT_EQ(last.source().position(), whole.source().position()) << after;
    EXPECT_EQ(SavedSteps("stopped" + std::to_string(after)), SavedSteps("whole")) << after;
  }
}

TEST_F(TrainingLoops, SaveWhereTheyAreStoppedAndSayHowToGoOn) {
  Plan plan = PlanOf(20);
  plan.loop.save_every = 0;
  Start start(plan);
  EXPECT_EQ(start.Run(3), LoopEnd::kSignal);
  EXPECT_EQ(SavedSteps(), (std::set<int64_t>{3}));
  EXPECT_NE(start.text().find("--resume"), std::string::npos) << start.text();
  plan.loop.deadline = std::chrono::steady_clock::now();
  EXPECT_EQ(Start(plan).Run(), LoopEnd::kDeadline);
  EXPECT_EQ(SavedSteps(), (std::set<int64_t>{4}));
}

TEST_F(TrainingLoops, EndWhereSomethingIsNotFiniteThatIsLookedFor) {
  Plan plan = PlanOf(20);
  plan.loop.find_not_finite = true;
  plan.not_finite = {6};
  Start start(plan);
  const std::string problem = MessageOf<ConfigError>([&] { start.Run(); });
  EXPECT_NE(
      problem.find("step 7 is not finite (--find-nan): micro-batch 1 of the step: the data's"),
      std::string::npos)
      << problem;
  EXPECT_EQ(ReadRunLog(plan.loop.output).num_skipped, 1);
}

TEST_F(TrainingLoops, ActEverySoManyStepsButTheLast) {
  Plan plan = PlanOf(12);
  std::vector<int64_t> steps;
  plan.actions.push_back({.every = 4, .perform = [&](int64_t step) { steps.push_back(step); }});
  plan.actions.push_back({.every = 0, .perform = [&](int64_t) { ADD_FAILURE(); }});
  EXPECT_EQ(Start(plan).Run(), LoopEnd::kDone);
  EXPECT_EQ(steps, (std::vector<int64_t>{3, 7}));
}

}  // namespace
}  // namespace tandem
