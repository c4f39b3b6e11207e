#pragma once
// What every op needs besides its operands: where it runs, on which threads, with which
// instructions, and scratch memory. Owned by the runner or the trainer; used by one thread at a
// time.

#include "kernels/core/device.h"
#include "kernels/core/instruction_set.h"
#include "kernels/core/thread_pool.h"
#include "kernels/core/workspace.h"

namespace tandem {

struct Context {
  ThreadPool& pool;
  InstructionSet isa = BestInstructionSet();
  Device device = kCpuDevice;
  void* stream = nullptr;  // of the device, in which its work is ordered; null: the default one
  Workspace& workspace;    // scratch of the op that is running; ops release what they took
};

}  // namespace tandem
