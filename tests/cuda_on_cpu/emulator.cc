#include "tests/cuda_on_cpu/emulator.h"

#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <vector>

#include "tests/cuda_on_cpu/device_memory.h"
#include "tests/cuda_on_cpu/fiber.h"
#include "tests/cuda_on_cpu/guarded_memory.h"

namespace tandem::cuda_on_cpu {
namespace {

std::string Text(const Index3& index) {
  return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," +
         std::to_string(index.z) + ")";
}

std::string Text(const std::source_location& where) {
  const std::string file = where.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line());
}

Index3 IndexOf(uint64_t linear, const Extent3& extent) {
  return {static_cast<unsigned>(linear % extent.x),
          static_cast<unsigned>(linear / extent.x % extent.y),
          static_cast<unsigned>(linear / extent.x / extent.y)};
}

struct Copy {
  void* to;
  const void* from;
  size_t bytes;
  size_t zeros;
};

enum class State : uint8_t { kReady, kAtBarrier, kAtWarpOperation, kDone };

struct Thread {
  Fiber fiber;
  Index3 index;
  int linear = 0;
  State state = State::kReady;
  bool has_awaited = false;              // kernels before this one
  std::source_location where;            // of what it waits at
  std::vector<Copy> pending;             // of the group that is open
  std::deque<std::vector<Copy>> groups;  // committed, oldest first
};

struct Warp {
  const char* name = nullptr;  // of the operation that lanes wait at
  uint32_t arrived = 0;
  void* operands[kWarpSize] = {};
  std::source_location where;
};

}  // namespace

// One block that runs.
class Block {
 public:
  Block(const std::string& kernel, const LaunchShape& shape, const std::function<void()>& body,
        const Schedule& schedule, std::vector<FiberStack>& stacks)
      : kernel_(kernel),
        shape_(shape),
        body_(body),
        schedule_(schedule),
        random_(schedule.seed),
        stacks_(stacks),
        dynamic_shared_(shape.shared_bytes) {}

  void Run(const Index3& index);

  // Before the first block.
  void OpenMemory() { access_.emplace(); }
  void AwaitPrevious() {
    current_->has_awaited = true;
    if (!access_) OpenMemory();
  }
  void LetNextStart() {
    if (!shape_.waits_inside || current_->has_awaited) return;
    Fail("calls LetNextStart before AwaitPrevious");
  }
  Thread& current() { return *current_; }
  const Index3& index() const { return index_; }
  const LaunchShape& shape() const { return shape_; }
  std::byte* dynamic_shared() { return dynamic_shared_.data(); }
  std::byte* StaticShared(const void* key, size_t bytes);

  int Barrier(int value, const std::source_location& where);
  void WarpOperation(const char* name, uint32_t mask, void* operand, WarpFunction compute,
                     const std::source_location& where);
  [[noreturn]] void Fail(const std::string& what) { throw Fault(Described(what)); }
  void KeepFailure(std::exception_ptr failure) {
    if (!failure_) failure_ = std::move(failure);
  }
  std::string Described(const std::string& what) const;

 private:
  static void ThreadMain(void* block);
  void Wait(State state, const std::source_location& where);
  void ReleaseBarrier();
  void FailStuck();
  void DealTurns();

  const std::string& kernel_;
  const LaunchShape& shape_;
  std::optional<DeviceAccess> access_;
  const std::function<void()>& body_;
  const Schedule& schedule_;
  std::mt19937_64 random_;
  std::vector<FiberStack>& stacks_;
  GuardedMemory dynamic_shared_;
  std::map<const void*, std::unique_ptr<GuardedMemory>> static_shared_;
  Index3 index_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<int> turns_;  // threads in the order of their turns; here, as a fault unwinds nothing
  Thread* current_ = nullptr;
  Fiber scheduler_;
  int num_done_ = 0;
  int num_at_barrier_ = 0;
  int barrier_sum_ = 0;
  int barrier_result_ = 0;
  std::exception_ptr failure_;
};

namespace {

// What a fault of memory reports to, and where it goes on. Launches take turns, so one is enough.
Block* running_block = nullptr;
sigjmp_buf memory_fault;
const void* fault_address = nullptr;
Schedule next_schedule;
std::mutex launch_mutex;

void OnMemoryFault(int, siginfo_t* info, void*) {
  fault_address = info->si_addr;
  siglongjmp(memory_fault, 1);
}

// Faults of memory come to OnMemoryFault for as long as this lives.
class MemoryFaultScope {
 public:
  MemoryFaultScope() {
    struct sigaction action {};
    action.sa_sigaction = OnMemoryFault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, &segv_);
    sigaction(SIGBUS, &action, &bus_);
  }
  MemoryFaultScope(const MemoryFaultScope&) = delete;
  MemoryFaultScope& operator=(const MemoryFaultScope&) = delete;
  ~MemoryFaultScope() {
    sigaction(SIGSEGV, &segv_, nullptr);
    sigaction(SIGBUS, &bus_, nullptr);
  }

 private:
  struct sigaction segv_ {};
  struct sigaction bus_ {};
};

std::string AddressText(const void* address) {
  char text[32];
  std::snprintf(text, sizeof(text), "%p", address);
  return text;
}

}  // namespace

std::string Block::Described(const std::string& what) const {
  return "kernel " + kernel_ + ", block " + Text(index_) + ", thread " + Text(current_->index) +
         ": " + what + " (" + Describe(schedule_) + ")";
}

std::byte* Block::StaticShared(const void* key, size_t bytes) {
  std::unique_ptr<GuardedMemory>& memory = static_shared_[key];
  if (!memory) {
    memory = std::make_unique<GuardedMemory>(bytes);
    std::memset(memory->data(), schedule_.poison, bytes);
  }
  return memory->data();
}

void Block::ThreadMain(void* self) {
  Block& block = *static_cast<Block*>(self);
  Thread& thread = block.current();
  try {
    block.body_();
    if (!thread.pending.empty() || !thread.groups.empty()) {
      block.Fail("ends with asynchronous copies that it never waited for");
    }
    if (block.shape_.waits_inside && !thread.has_awaited) {
      block.Fail("ends without AwaitPrevious, in a launch that waits inside");
    }
  } catch (...) {
    block.KeepFailure(std::current_exception());
  }
  thread.state = State::kDone;
  ++block.num_done_;
  Fiber::SwitchForGood(block.scheduler_);
}

void Block::Wait(State state, const std::source_location& where) {
  Thread& thread = *current_;
  thread.state = state;
  thread.where = where;
  Fiber::Switch(thread.fiber, scheduler_);
}

int Block::Barrier(int value, const std::source_location& where) {
  for (const Thread& other : threads_) {
    if (other.state == State::kAtBarrier && other.where.line() != where.line()) {
      Fail("is at the barrier at " + Text(where) + " while thread " + Text(other.index) +
           " is at the one at " + Text(other.where));
    }
    if (other.state == State::kAtBarrier) break;  // those before this one were compared with it
  }
  barrier_sum_ += value;
  ++num_at_barrier_;
  if (num_at_barrier_ == static_cast<int>(threads_.size())) {
    ReleaseBarrier();
  } else {
    Wait(State::kAtBarrier, where);
  }
  return barrier_result_;
}

void Block::ReleaseBarrier() {
  barrier_result_ = barrier_sum_;
  barrier_sum_ = 0;
  num_at_barrier_ = 0;
  for (Thread& thread : threads_) {
    if (thread.state == State::kAtBarrier) thread.state = State::kReady;
  }
}

void Block::WarpOperation(const char* name, uint32_t mask, void* operand, WarpFunction compute,
                          const std::source_location& where) {
  if (mask != 0xffffffffu) Fail(std::string(name) + " at " + Text(where) + " is not for all lanes");
  const int lane = current_->linear % kWarpSize;
  Warp& warp = warps_[static_cast<size_t>(current_->linear / kWarpSize)];
  if (warp.arrived == 0) {
    warp.name = name;
    warp.where = where;
  } else if (std::strcmp(warp.name, name) != 0 || warp.where.line() != where.line()) {
    Fail("is at " + std::string(name) + " at " + Text(where) + " while other lanes are at " +
         warp.name + " at " + Text(warp.where));
  }
  warp.operands[lane] = operand;
  warp.arrived |= 1u << lane;
  if (warp.arrived != 0xffffffffu) {
    Wait(State::kAtWarpOperation, where);
    return;
  }
  compute(warp.operands);
  warp.arrived = 0;
  const int first = current_->linear - lane;
  for (int i = 0; i < kWarpSize; ++i) {
    Thread& other = threads_[static_cast<size_t>(first + i)];
    if (other.state == State::kAtWarpOperation) other.state = State::kReady;
  }
}

void Block::DealTurns() {
  turns_.resize(threads_.size());
  std::iota(turns_.begin(), turns_.end(), 0);
  if (schedule_.order == Order::kReverse) std::reverse(turns_.begin(), turns_.end());
  if (schedule_.order == Order::kRandom) std::shuffle(turns_.begin(), turns_.end(), random_);
}

void Block::FailStuck() {
  const Thread* waiting = nullptr;
  const Thread* done = nullptr;
  for (const Thread& thread : threads_) {
    if (thread.state == State::kDone) done = &thread;
    if (thread.state != State::kDone && waiting == nullptr) waiting = &thread;
  }
  current_ = const_cast<Thread*>(waiting);
  const bool at_barrier = waiting->state == State::kAtBarrier;
  std::string what = "waits for ever at the " +
                     std::string(at_barrier ? "barrier" : "warp operation") + " at " +
                     Text(waiting->where) + ": ";
  for (const Thread& thread : threads_) {
    if (thread.state == State::kDone || thread.state == waiting->state) continue;
    Fail(what + "thread " + Text(thread.index) + " is at " + Text(thread.where));
  }
  Fail(what + (done != nullptr ? "thread " + Text(done->index) + " has ended"
                               : std::string("lanes are missing")));
}

void Block::Run(const Index3& index) {
  index_ = index;
  std::memset(dynamic_shared_.data(), schedule_.poison, shape_.shared_bytes);
  for (auto& [key, memory] : static_shared_) {
    std::memset(memory->data(), schedule_.poison, memory->size());
  }
  const auto num_threads = static_cast<size_t>(shape_.block.count());
  threads_.clear();
  threads_.resize(num_threads);
  warps_.assign((num_threads + kWarpSize - 1) / kWarpSize, {});
  num_done_ = 0;
  num_at_barrier_ = 0;
  barrier_sum_ = 0;
  for (size_t i = 0; i < num_threads; ++i) {
    threads_[i].linear = static_cast<int>(i);
    threads_[i].index = IndexOf(i, shape_.block);
    threads_[i].fiber.Start(stacks_[i], ThreadMain, this);
  }
  while (num_done_ < static_cast<int>(num_threads)) {
    bool any_ran = false;
    DealTurns();
    for (const int turn : turns_) {
      Thread& thread = threads_[static_cast<size_t>(turn)];
      if (thread.state != State::kReady) continue;
      any_ran = true;
      current_ = &thread;
      Fiber::Switch(scheduler_, thread.fiber);
      if (failure_) std::rethrow_exception(failure_);
    }
    if (!any_ran) FailStuck();
  }
}

void SetSchedule(const Schedule& schedule) {
  const std::lock_guard lock(launch_mutex);
  next_schedule = schedule;
}

std::string Describe(const Schedule& schedule) {
  std::string text = "schedule ";
  switch (schedule.order) {
    case Order::kForward:
      text += "forward";
      break;
    case Order::kReverse:
      text += "reverse";
      break;
    case Order::kRandom:
      text += "random, seed " + std::to_string(schedule.seed);
      break;
  }
  return text + ", poison " + std::to_string(schedule.poison);
}

void Launch(const std::string& kernel, const LaunchShape& shape,
            const std::function<void()>& thread_body) {
  const auto refuse = [&](const std::string& what) {
    throw Fault("kernel " + kernel + ": " + what);
  };
  if (shape.block.count() == 0 || shape.block.count() > kMaxThreadsPerBlock) {
    refuse("a block of " + std::to_string(shape.block.count()) +
           " threads; 1 to 1024 are possible");
  }
  if (shape.grid.count() == 0) refuse("an empty grid");
  if (shape.grid.y > 65535 || shape.grid.z > 65535) {
    refuse("a grid of more than 65535 blocks in y or z");
  }
  if (shape.shared_bytes > kMaxSharedBytes) {
    refuse(std::to_string(shape.shared_bytes) + " bytes of shared memory; 232448 are possible");
  }
  if (IsRecording()) {
    Record([=] { Launch(kernel, shape, thread_body); });
    return;
  }
  const std::lock_guard lock(launch_mutex);
  const Schedule schedule = next_schedule;
  static std::vector<FiberStack> stacks;
  while (stacks.size() < shape.block.count()) stacks.emplace_back();
  std::vector<uint64_t> order(shape.grid.count());
  std::iota(order.begin(), order.end(), uint64_t{0});
  if (schedule.order == Order::kReverse) std::reverse(order.begin(), order.end());
  if (schedule.order == Order::kRandom) {
    std::mt19937_64 random(schedule.seed);
    std::shuffle(order.begin(), order.end(), random);
  }
  // On the heap, and all that is used after a fault too: siglongjmp does not restore registers.
  const auto block = std::make_unique<Block>(kernel, shape, thread_body, schedule, stacks);
  running_block = block.get();
  if (!shape.waits_inside) block->OpenMemory();
  const MemoryFaultScope scope;
  // A fault leaves the fibers where they are: kernels own nothing, and stacks are used again.
  if (sigsetjmp(memory_fault, 1) != 0) {
    Fiber::LeaveAfterFault();
    running_block = nullptr;
    throw Fault(block->Described("touches " + AddressText(fault_address) +
                                 ", which is not memory that it may use"));
  }
  for (const uint64_t index : order) block->Run(IndexOf(index, shape.grid));
  running_block = nullptr;
}

Index3 ThreadIndex() { return running_block->current().index; }
Index3 BlockIndex() { return running_block->index(); }
const LaunchShape& CurrentShape() { return running_block->shape(); }
int Lane() { return running_block->current().linear % kWarpSize; }
std::byte* DynamicShared() { return running_block->dynamic_shared(); }
std::byte* StaticShared(const void* key, size_t bytes) {
  return running_block->StaticShared(key, bytes);
}

int Barrier(int value, const std::source_location& where) {
  return running_block->Barrier(value, where);
}

void WarpOperation(const char* name, uint32_t mask, void* operand, WarpFunction compute,
                   const std::source_location& where) {
  running_block->WarpOperation(name, mask, operand, compute, where);
}

void AwaitPrevious() { running_block->AwaitPrevious(); }
void LetNextStart() { running_block->LetNextStart(); }

void DeferCopy(void* to, const void* from, size_t bytes, size_t zeros) {
  running_block->current().pending.push_back({to, from, bytes, zeros});
}

void CommitCopies() {
  Thread& thread = running_block->current();
  thread.groups.push_back(std::move(thread.pending));
  thread.pending.clear();
}

void AwaitCopies(int most_groups_left) {
  std::deque<std::vector<Copy>>& groups = running_block->current().groups;
  while (static_cast<int>(groups.size()) > most_groups_left) {
    for (const Copy& copy : groups.front()) {
      std::memcpy(copy.to, copy.from, copy.bytes);
      std::memset(static_cast<std::byte*>(copy.to) + copy.bytes, 0, copy.zeros);
    }
    groups.pop_front();
  }
}

void Fail(const std::string& what) { running_block->Fail(what); }

}  // namespace tandem::cuda_on_cpu
