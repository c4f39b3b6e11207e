#pragma once
// Runs CUDA kernels on the CPU, one block after another; the threads of a block are fibers that
// switch only where CUDA lets them wait for each other: barriers and warp-wide operations. Which
// runs first is the schedule's choice, so that a result that hangs on it shows. What is wrong (a
// barrier that not all reach, a warp operation with lanes missing, memory that is nobody's) ends
// the launch with a Fault that names kernel, block and thread.
//
// Not covered: the order in which tensor cores round, memory that blocks share while they run, bank
// conflicts, occupancy, speed. One launch at a time; launches from several host threads take turns.
// What kernels use of CUDA is in include/, written on this.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>

namespace tandem::cuda_on_cpu {

struct Index3 {
  unsigned x = 0;
  unsigned y = 0;
  unsigned z = 0;
};
struct Extent3 {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
  constexpr Extent3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  uint64_t count() const { return uint64_t{x} * y * z; }
};

enum class Order : uint8_t { kForward, kReverse, kRandom };

// In which order blocks, and the threads of a block that can go on, take their turns; and what
// shared memory holds before anything was written to it.
struct Schedule {
  Order order = Order::kForward;
  uint64_t seed = 0;  // of kRandom
  uint8_t poison = 0xff;
};
// Of all launches from here on. Printed in a Fault.
void SetSchedule(const Schedule& schedule);
std::string Describe(const Schedule& schedule);

class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kMaxThreadsPerBlock = 1024;
inline constexpr size_t kMaxSharedBytes = 227 << 10;  // of sm_90; sm_80 has 163 KiB

struct LaunchShape {
  Extent3 grid;
  Extent3 block;
  size_t shared_bytes = 0;  // dynamic
  // The kernel may start before the one before it has ended: device memory is nobody's until a
  // thread has called AwaitPrevious, and each thread calls it before it ends.
  bool waits_inside = false;
};

// Runs `thread_body` for every thread of every block; returns when all are done. Throws Fault, or
// what the body threw first.
void Launch(const std::string& kernel, const LaunchShape& shape,
            const std::function<void()>& thread_body);

// The rest is for code that runs in a kernel.

Index3 ThreadIndex();
Index3 BlockIndex();
const LaunchShape& CurrentShape();
int Lane();

// The block's dynamic shared memory. It ends where a page ends that nobody may touch.
std::byte* DynamicShared();
// A static array of the block: the same memory for the same `key`, an address that stands for the
// declaration.
std::byte* StaticShared(const void* key, size_t bytes);

// All threads of the block arrive at the same place in the source; gives the sum of `value`.
int Barrier(int value, const std::source_location& where);

// All 32 lanes arrive with an operand each at the same operation; the last one computes for all.
// `operands[lane]` is what the lane gave. Returns when it is done.
using WarpFunction = void (*)(void* const operands[kWarpSize]);
void WarpOperation(const char* name, uint32_t mask, void* operand, WarpFunction compute,
                   const std::source_location& where);

// This thread waits for the kernels before, and then lets the one after it start. Of no effect in a
// launch that does not wait inside.
void AwaitPrevious();
void LetNextStart();

// Copies that happen when they are waited for, and not before: what reads too early reads poison.
void DeferCopy(void* to, const void* from, size_t bytes, size_t zeros);
void CommitCopies();
void AwaitCopies(int most_groups_left);

// Ends the launch.
[[noreturn]] void Fail(const std::string& what);

}  // namespace tandem::cuda_on_cpu
