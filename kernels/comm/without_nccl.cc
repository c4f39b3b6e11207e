// Stands in for nccl_communicator.cc where the program is built without CUDA, or nccl.h was not
// found.

#include "kernels/comm/nccl_communicator.h"
#include "kernels/core/error.h"

namespace tandem {

void AddNccl(Context&, Communicator&, const char*) {
  throw ConfigError(
      "this program was built without NCCL: build it with `cmake --preset cuda` where nccl.h is "
      "(libnccl-dev), or use one GPU");
}

}  // namespace tandem
