#pragma once
// Memory of GPUs moves between ranks over NCCL; everything else stays on the communicator's own
// transport, which also says that all ranks have come before NCCL is asked for anything.

#include "kernels/comm/communicator.h"
#include "kernels/core/context.h"

namespace tandem {

// For all ranks of the communicator together; context.device is another GPU on each. Called on the
// thread of the context, whose current CUDA device is that of the context. The library
// (libnccl.so.2) is opened at the first call. ConfigError when there is none, when it is too
// old, or when the program was built without NCCL; DeviceError when it cannot connect the ranks.
// `library` is for tests.
void AddNccl(Context& context, Communicator& communicator, const char* library = "libnccl.so.2");

}  // namespace tandem
