#include "trainer/checkpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <thread>

#include "engine/weights/safetensors.h"
#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/ops/operands.h"
#include "tests/support/random_model.h"
#include "tests/support/temporary_directory.h"
#include "trainer/initialise.h"

namespace tandem {
namespace {

// Small enough that every byte of a checkpoint can be tried.
ModelConfig TinyConfig() {
  ModelConfig config = Stories260KConfig();
  config.num_layers = 1;
  config.windows.resize(1);
  config.hidden_size = 16;
  config.num_heads = 2;
  config.num_kv_heads = 1;
  config.intermediate_size = 24;
  config.vocab_size = 12;
  return config;
}

TrainerOptions Options() {
  return {
      .optimizer = {},
      .schedule = {.kind = ScheduleKind::kCosine, .rate = 3e-3, .num_steps = 40, .warmup_steps = 5},
      .max_tokens = 64};
}

void WriteShard(const std::filesystem::path& path) {
  const ShardLayout layout{.fingerprint = 3, .vocab_size = 12};
  TokenShardWriter writer(path, layout);
  ShardPart part;
  for (int i = 0; i < 40; ++i) {
    TrainSample sample{.ids = {i % 12}, .is_target = {}};
    for (int j = 0; j < 3 + i % 5; ++j) sample.ids.push_back((sample.ids.back() * 5 + 1) % 12);
    part.Append(layout, sample, static_cast<uint64_t>(i), i + 1);
  }
  writer.Append(part);
  writer.Finish({});
}

std::unique_ptr<ShardBatchSource> Source(const std::filesystem::path& path) {
  std::vector<RepeatedShard> shards;
  shards.push_back({.shard = TokenShard(path), .repeats = 1});
  return std::make_unique<ShardBatchSource>(
      std::move(shards), BatchOptions{.row_tokens = 16, .micro_batch_rows = 4, .seed = 5});
}

// A run from its start: two micro-batches a step.
struct Session {
  explicit Session(const std::filesystem::path& shard, DType dtype = DType::kF32,
                   const TrainerOptions& options = Options(),
                   const ModelConfig& model = TinyConfig())
      : config(model),
        compute(AllocateWeights(config, dtype)),
        trainer(context, config, compute, options),
        source(Source(shard)),
        inputs{.seed = 3,
               .data_fingerprint = source->fingerprint(),
               .settings = {{"micro_batches", "2"}}} {
    InitialiseWeights(config, InitKind::kNormal, inputs.seed, trainer.weights().masters());
    trainer.weights().Publish(context);
  }

  double Step() {
    std::vector<TrainBatch> batches;
    for (int i = 0; i < 2; ++i) batches.push_back(source->Next().batch);
    return trainer.Step(context, batches).loss;
  }
  void StepThatIsSkipped() {
    TrainBatch batch = source->Next().batch;
    batch.weights.assign(batch.token_ids.size(), std::numeric_limits<float>::infinity());
    ASSERT_TRUE(trainer.Step(context, {&batch, 1}).skipped);
  }
  std::filesystem::path Save(const std::filesystem::path& run) {
    return SaveCheckpoint(context, run, trainer, inputs, {.position = source->position()});
  }
  void Restore(const Checkpoint& checkpoint) {
    RestoreCheckpoint(context, checkpoint, inputs, trainer);
    source->Seek(checkpoint.state.position);
  }
  // Masters and moments.
  std::string Bits() {
    std::string bits;
    for (ModelTensors<Tensor>* tensors :
         {&trainer.weights().masters(), &trainer.optimizer().first_moments(),
          &trainer.optimizer().second_moments()}) {
      for (const Tensor* tensor : AllTensors(*tensors)) {
        bits.append(reinterpret_cast<const char*>(tensor->view().bytes()),
                    static_cast<size_t>(tensor->size_bytes()));
      }
    }
    return bits;
  }

  OpContext context;
  ModelConfig config;
  ModelWeights compute;
  Trainer trainer;
  std::unique_ptr<ShardBatchSource> source;
  RunInputs inputs;
};

class Checkpoints : public testing::Test {
 protected:
  Checkpoints() { WriteShard(shard_); }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(run_ / "checkpoints")) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  // Checkpoints of the first steps, one each.
  std::unique_ptr<Session> Trained(int num_steps) {
    auto session = std::make_unique<Session>(shard_);
    for (int i = 0; i < num_steps; ++i) {
      session->Step();
      session->Save(run_);
    }
    return session;
  }
  std::filesystem::path PathOf(int step) const {
    return run_ / "checkpoints" / ("step-0000000" + std::to_string(step));
  }

  TemporaryDirectory directory_;
  const std::filesystem::path run_ = directory_ / "runs/one";
  const std::filesystem::path shard_ = directory_ / "data.shard";
};

// Changes one byte of a file in place, and back when it goes.
class ChangedByte {
 public:
  ChangedByte(const std::filesystem::path& path, size_t offset, int mask)
      : file_(path, std::ios::in | std::ios::out | std::ios::binary),
        offset_(static_cast<std::streamoff>(offset)),
        mask_(mask) {
    Flip();
  }
  ~ChangedByte() { Flip(); }

 private:
  void Flip() {
    file_.seekg(offset_);
    const int byte = file_.get();
    file_.seekp(offset_);
    file_.put(static_cast<char>(byte ^ mask_));
    file_.flush();
  }
  std::fstream file_;
  std::streamoff offset_;
  int mask_;
};

TEST_F(Checkpoints, GoOnWithTheSameBits) {
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF16}) {
    const std::filesystem::path run = directory_ / std::string(Name(dtype));
    Session whole(shard_, dtype), first(shard_, dtype), second(shard_, dtype);
    whole.StepThatIsSkipped();
    first.StepThatIsSkipped();
    std::vector<double> losses, expected;
    for (int i = 0; i < 40; ++i) expected.push_back(whole.Step());
    EXPECT_GT(whole.source->position().epoch, 1);
    for (int i = 0; i < 20; ++i) losses.push_back(first.Step());
    first.Save(run);
    second.Step();  // whatever it did before is gone
    second.Restore(FindNewestCheckpoint(run).newest.value());
    EXPECT_EQ(second.Bits(), first.Bits());
    EXPECT_EQ(second.trainer.num_steps(), 21);
    EXPECT_EQ(second.trainer.optimizer().num_steps(), 20);
    for (int i = 0; i < 20; ++i) losses.push_back(second.Step());
    EXPECT_EQ(losses, expected) << Name(dtype);
    EXPECT_TRUE(second.Bits() == whole.Bits()) << Name(dtype);
  }
}

// On its way down from a scale that overflows, and on its way up: none of it is lost.
TEST_F(Checkpoints, KeepTheLossScale) {
  TrainerOptions options = Options();
  options.loss_scaling = {.initial = 0x1p127, .growth_steps = 7};
  Session whole(shard_, DType::kF16, options), first(shard_, DType::kF16, options),
      second(shard_, DType::kF16, options);
  const TrainBatch one_target{
      .token_ids = {1, 2}, .cu_seqlens = {0, 2}, .targets = {5, TrainBatch::kNoTarget}};
  for (Session* session : {&whole, &first}) {
    for (int i = 0; i < 16; ++i) {  // so that gradients of the head are large
      session->trainer.weights().masters().final_norm.data<float>()[i] = 8.0f;
    }
    session->trainer.weights().Publish(session->context);
    EXPECT_TRUE(session->trainer.Step(session->context, {&one_target, 1}).scale_was_too_large);
  }
  for (int i = 0; i < 5; ++i) first.Step();
  first.Save(run_);
  second.Restore(FindNewestCheckpoint(run_).newest.value());
  for (int i = 0; i < 25; ++i) second.Step();
  for (int i = 0; i < 30; ++i) whole.Step();
  EXPECT_TRUE(second.trainer.optional_loss_scaler()->state() ==
              whole.trainer.optional_loss_scaler()->state());
  EXPECT_TRUE(second.Bits() == whole.Bits());
  Session other(shard_, DType::kF16);
  EXPECT_THROW(other.Restore(FindNewestCheckpoint(run_).newest.value()), ConfigError);
}

TEST_F(Checkpoints, GoOnWithTheSameMasksOfDropout) {
  TrainerOptions options = Options();
  options.dropout = 0.2;
  options.dropout_seed = 11;
  Session whole(shard_, DType::kBf16, options), again(shard_, DType::kBf16, options);
  Session without(shard_, DType::kBf16);
  for (int i = 0; i < 5; ++i) {
    EXPECT_NE(whole.Step(), without.Step());
  }
  again.Restore(OpenCheckpoint(whole.Save(run_)));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(again.Step(), whole.Step());
  EXPECT_TRUE(again.Bits() == whole.Bits());
  EXPECT_THROW(without.Restore(FindNewestCheckpoint(run_).newest.value()), ConfigError);
}

TEST_F(Checkpoints, KeepMuonsMomentum) {
  TrainerOptions options = Options();
  options.optimizer.kind = OptimizerKind::kMuon;
  options.schedule.rate = 2e-2;
  ModelConfig config = TinyMoeConfig();
  config.vocab_size = 12;
  Session whole(shard_, DType::kF32, options, config), again(shard_, DType::kF32, options, config);
  const double before = whole.Step();
  for (int i = 0; i < 9; ++i) whole.Step();
  again.Restore(OpenCheckpoint(whole.Save(run_)));
  EXPECT_TRUE(again.Bits() == whole.Bits());
  EXPECT_EQ(again.Step(), whole.Step());
  for (int i = 0; i < 20; ++i) whole.Step();
  EXPECT_LT(whole.Step(), before / 2);
  Session adamw(shard_, DType::kF32, Options(), config);
  const std::string message =
      MessageOf<ConfigError>([&] { adamw.Restore(FindNewestCheckpoint(run_).newest.value()); });
  EXPECT_NE(message.find("optimizer.kind is not set here and was muon"), std::string::npos)
      << message;
}

TEST_F(Checkpoints, HaveMixturesOfExpertsToo) {
  ModelConfig config = TinyMoeConfig();
  config.vocab_size = 12;
  Session whole(shard_, DType::kF32, Options(), config),
      again(shard_, DType::kF32, Options(), config);
  for (int i = 0; i < 2; ++i) whole.Step();
  again.Restore(OpenCheckpoint(whole.Save(run_)));
  EXPECT_EQ(again.Step(), whole.Step());
  EXPECT_TRUE(again.Bits() == whole.Bits());
}

TEST_F(Checkpoints, AreEqualForEqualRuns) {
  Trained(1);
  const std::string state = directory_.Read("runs/one/checkpoints/step-00000001/state.json");
  Trained(1);  // replaces it
  EXPECT_EQ(directory_.Read("runs/one/checkpoints/step-00000001/state.json"), state);
  EXPECT_EQ(Names(), (std::vector<std::string>{"step-00000001"}));
}

TEST_F(Checkpoints, AreNotThereBeforeTheFirst) {
  EXPECT_FALSE(FindNewestCheckpoint(run_).newest);
  EXPECT_TRUE(FindNewestCheckpoint(run_).passed_over.empty());
  KeepCheckpoints(run_, 1);
}

TEST_F(Checkpoints, ArePassedOverWhenBroken) {
  const auto session = Trained(4);
  std::filesystem::remove(PathOf(4) / "tensors.safetensors");
  std::filesystem::resize_file(PathOf(3) / "state.json", 100);
  std::filesystem::copy(PathOf(2), PathOf(5));  // not what its name says
  const FoundCheckpoint found = FindNewestCheckpoint(run_);
  ASSERT_TRUE(found.newest);
  EXPECT_EQ(found.newest->state.step, 2);
  ASSERT_EQ(found.passed_over.size(), 3u);
  EXPECT_TRUE(Contains(found.passed_over[0], "step-00000005: it is of step 2"));
  EXPECT_TRUE(Contains(found.passed_over[1], "tensors.safetensors"));
  EXPECT_TRUE(Contains(found.passed_over[2], "step-00000003/state.json"));
  session->Save(run_);  // step 4, again
  EXPECT_EQ(FindNewestCheckpoint(run_).newest->state.step, 4);
}

TEST_F(Checkpoints, AreRefusedWithAnyByteCutOffOrChanged) {
  Trained(1);
  const std::filesystem::path tensors = PathOf(1) / "tensors.safetensors";
  const size_t size = std::filesystem::file_size(tensors);
  for (size_t offset = 0; offset < size; offset += offset < 4000 ? 1 : 7) {
    const ChangedByte changed(tensors, offset, 1 << (offset % 8));
    EXPECT_THROW(OpenCheckpoint(PathOf(1)), FormatError) << offset;
  }
  OpenCheckpoint(PathOf(1));
  for (size_t cut = size; cut-- > 0; cut -= std::min<size_t>(cut, 13)) {
    std::filesystem::resize_file(tensors, cut);
    EXPECT_THROW(OpenCheckpoint(PathOf(1)), FormatError) << cut;
  }
}

TEST_F(Checkpoints, SayEverythingThatIsWrongWithTheirFiles) {
  Trained(1);
  TrainingState state = OpenCheckpoint(PathOf(1)).state;
  state.files["../../secret"] = {};
  state.files.at("tensors.safetensors").size_bytes += 1;
  std::ofstream(PathOf(1) / "state.json") << FormatTrainingState(state);
  const std::string problem = MessageOf<FormatError>([&] { OpenCheckpoint(PathOf(1)); });
  EXPECT_TRUE(Contains(problem, "unknown file \"../../secret\""));
  EXPECT_TRUE(Contains(problem, "bytes, and was written with"));
  state.files.clear();
  std::ofstream(PathOf(1) / "state.json") << FormatTrainingState(state);
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { OpenCheckpoint(PathOf(1)); }),
                       "state.json does not name tensors.safetensors"));
}

TEST_F(Checkpoints, MustFitTheModel) {
  const auto session = Trained(1);
  Checkpoint checkpoint = OpenCheckpoint(PathOf(1));
  const Tensor small(DType::kF32, {3}), half(DType::kF16, {12, 16});
  WriteSafetensors(directory_ / "other.safetensors",
                   std::vector<NamedTensor>{{"v.model.norm.weight", small.view()},
                                            {"m.model.embed_tokens.weight", half.view()},
                                            {"master.more", small.view()}});
  checkpoint.tensors = ReadSafetensorsFile(directory_ / "other.safetensors");
  const std::string before = session->Bits();
  const std::string problem = MessageOf<FormatError>([&] { session->Restore(checkpoint); });
  EXPECT_TRUE(Contains(problem, "master.model.embed_tokens.weight is missing"));
  EXPECT_TRUE(Contains(problem, "m.model.embed_tokens.weight is f16 [12, 16], expected f32"));
  EXPECT_TRUE(Contains(problem, "more"));
  EXPECT_EQ(session->Bits(), before);
}

TEST_F(Checkpoints, AreOfOneRun) {
  Trained(1);
  const Checkpoint checkpoint = OpenCheckpoint(PathOf(1));
  TrainerOptions options = Options();
  options.schedule.rate = 1e-3;
  options.optimizer.beta2 = 0.99;
  options.optimizer.decay_group = DecayGroup::kAll;
  options.loss_mean = LossMean::kMicroBatches;
  ModelConfig config = TinyConfig();
  config.intermediate_size = 32;
  Session other(shard_, DType::kBf16, options, config);
  other.inputs = {.seed = 4, .data_fingerprint = 5, .settings = {{"micro_batches", "3"}}};
  const std::string before = other.Bits();
  const std::string message = MessageOf<ConfigError>([&] { other.Restore(checkpoint); });
  for (const std::string part :
       {"schedule.rate is 0.001 here and was 0.003", "optimizer.beta2 is 0.99 here and was 0.95",
        "optimizer.decay_group is all here and was matrices", "loss_mean is micro_batches",
        "seed is 4 here and was 3", "data is 0000000000000005", "micro_batches is 3 here and was 2",
        "model.intermediate_size is 32 here and was 24",
        "model.torch_dtype is \"bfloat16\" here and was \"float32\""}) {
    EXPECT_TRUE(Contains(message, part));
  }
  EXPECT_EQ(message.find("beta1"), message.npos) << message;
  EXPECT_EQ(other.Bits(), before);
  EXPECT_EQ(other.trainer.num_steps(), 0);
}

TEST_F(Checkpoints, AreKeptByNumber) {
  Trained(6);
  std::filesystem::create_directories(run_ / "checkpoints/.step-00000007.tmp-1-2");
  std::ofstream(run_ / "checkpoints/.step-00000007.tmp-1-2/state.json") << "{";
  std::filesystem::create_directories(run_ / "checkpoints/best");  // somebody else's
  KeepCheckpoints(run_, 3);
  EXPECT_EQ(Names(),
            (std::vector<std::string>{"best", "step-00000004", "step-00000005", "step-00000006"}));
  // The newest sound one stays, whatever newer ones there are.
  std::filesystem::resize_file(PathOf(6) / "tensors.safetensors", 10);
  std::filesystem::resize_file(PathOf(5) / "tensors.safetensors", 10);
  KeepCheckpoints(run_, 1);
  EXPECT_EQ(FindNewestCheckpoint(run_).newest->state.step, 4);
  std::filesystem::resize_file(PathOf(4) / "tensors.safetensors", 10);
  KeepCheckpoints(run_, 1);
  EXPECT_EQ(Names().size(), 4u);
}

// Forks; the child ends with 0 when `work` does, with 1 when it throws.
pid_t StartChild(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child != 0) return child;
  try {
    work();
  } catch (...) {
    _exit(1);
  }
  _exit(0);
}

// At the first byte, in between, and at the last one of the tensors.
TEST_F(Checkpoints, StayWhenTheDiskIsFull) {
  const auto session = Trained(1);
  const size_t size = std::filesystem::file_size(PathOf(1) / "tensors.safetensors");
  session->Step();
  for (const size_t limit : {size_t{0}, size_t{1}, size_t{4096}, size - 1}) {
    // A limit of the child's own stands for the disk: writing beyond it fails.
    const pid_t child = StartChild([&] {
      signal(SIGXFSZ, SIG_IGN);
      rlimit file_size{.rlim_cur = limit, .rlim_max = RLIM_INFINITY};
      CHECK(setrlimit(RLIMIT_FSIZE, &file_size) == 0);
      try {
        session->Save(run_);
      } catch (const DeviceError&) {
        return;
      }
      CHECK(false, limit);
    });
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << limit;
    EXPECT_EQ(Names(), (std::vector<std::string>{"step-00000001"})) << limit;
    EXPECT_TRUE(FindNewestCheckpoint(run_).newest) << limit;
  }
  session->Save(run_);
  EXPECT_EQ(FindNewestCheckpoint(run_).newest->state.step, 2);
}

// Some containers forbid it.
bool CanTrace() {
  const pid_t child =
      StartChild([] { CHECK(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0, errno); });
  int status = -1;
  return waitpid(child, &status, 0) == child && status == 0;
}

// Lets a child that began with PTRACE_TRACEME and SIGSTOP run up to a system call, and kills it
// there. False when it ended before.
bool KillAtSystemCall(pid_t child, int call_index) {
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status), status);
  for (int i = 0; i <= call_index; ++i) {
    CHECK(ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0, errno);
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFSTOPPED(status)) continue;
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, status);
    return false;
  }
  kill(child, SIGKILL);
  while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
  }
  return true;
}

// Before and after every system call of one save, and of removing the checkpoint before it.
TEST_F(Checkpoints, SurviveAKillAtEverySystemCall) {
  if (!CanTrace()) GTEST_SKIP() << "needs ptrace";
  const auto session = Trained(1);
  const std::string first = session->Bits();
  session->Step();
  const std::string second = session->Bits();
  const std::filesystem::path start = directory_ / "start";
  std::filesystem::copy(run_, start, std::filesystem::copy_options::recursive);
  int num_first = 0, num_second = 0;
  for (int call_index = 0;; ++call_index) {
    std::filesystem::remove_all(run_);
    std::filesystem::copy(start, run_, std::filesystem::copy_options::recursive);
    const pid_t child = StartChild([&] {
      CHECK(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0, errno);
      raise(SIGSTOP);
      session->Save(run_);
      KeepCheckpoints(run_, 1);
    });
    if (!KillAtSystemCall(child, call_index)) break;
    const FoundCheckpoint found = FindNewestCheckpoint(run_);
    EXPECT_TRUE(found.passed_over.empty()) << found.passed_over.front();
    ASSERT_TRUE(found.newest) << call_index;
    Session again(shard_);
    again.Restore(*found.newest);
    const bool is_first = found.newest->state.step == 1;
    EXPECT_TRUE(again.Bits() == (is_first ? first : second)) << call_index;
    ++(is_first ? num_first : num_second);
  }
  EXPECT_GT(num_first, 20);
  EXPECT_GT(num_second, 20);
}

// A process that trains, saves after each step, and is killed again and again.
TEST_F(Checkpoints, SurviveAKillAtAnyMoment) {
  constexpr int kSeed = 20261121, kNumKills = 20, kNumSteps = 400;
  Session whole(shard_);
  std::vector<std::string> bits = {whole.Bits()};  // after each number of steps
  whole.Step();
  bits.push_back(whole.Bits());
  whole.Save(run_);
  std::mt19937 random(kSeed);
  int64_t newest_step = 1;
  for (int kill_index = 0; kill_index < kNumKills; ++kill_index) {
    SCOPED_TRACE(testing::Message() << "kill " << kill_index << " of seed " << kSeed);
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = StartChild([&] {
      Session session(shard_);
      session.Restore(FindNewestCheckpoint(run_).newest.value());
      CHECK(write(ready[1], "r", 1) == 1);
      while (session.trainer.num_steps() < kNumSteps) {
        session.Step();
        session.Save(run_);
        KeepCheckpoints(run_, 2);
      }
    });
    char byte = 0;
    close(ready[1]);
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    // The moment is the test's input; nothing waits for it.
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) != 0);

    const FoundCheckpoint found = FindNewestCheckpoint(run_);
    EXPECT_TRUE(found.passed_over.empty()) << found.passed_over.front();
    ASSERT_TRUE(found.newest);
    EXPECT_GE(found.newest->state.step, newest_step);
    newest_step = found.newest->state.step;
    while (std::ssize(bits) <= newest_step + 1) {
      whole.Step();
      bits.push_back(whole.Bits());
    }
    Session again(shard_);
    again.Restore(*found.newest);
    EXPECT_TRUE(again.Bits() == bits[static_cast<size_t>(newest_step)]) << newest_step;
    again.Step();
    EXPECT_TRUE(again.Bits() == bits[static_cast<size_t>(newest_step) + 1]) << newest_step;
  }
  KeepCheckpoints(run_, 2);
  for (const std::string& name : Names()) EXPECT_TRUE(name.starts_with("step-")) << name;
  EXPECT_LE(Names().size(), 2u);
  RecordProperty("steps", static_cast<int>(newest_step));
}

}  // namespace
}  // namespace tandem
