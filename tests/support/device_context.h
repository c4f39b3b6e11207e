#pragma once
// What ops on a device take, with threads, scratch memory and a stream of its own.

#include "kernels/core/context.h"
#include "kernels/core/device_memory.h"

namespace tandem {

class DeviceContext {
 public:
  explicit DeviceContext(Device device, int num_threads = 1,
                         InstructionSet isa = BestInstructionSet())
      : pool_(num_threads),
        workspace_(device),
        stream_(device),
        context_{.pool = pool_,
                 .isa = isa,
                 .device = device,
                 .stream = stream_.handle(),
                 .workspace = workspace_} {}
  DeviceContext(const DeviceContext&) = delete;
  operator Context&() { return context_; }  // NOLINT
  Context& context() { return context_; }

 private:
  ThreadPool pool_;
  Workspace workspace_;
  Stream stream_;
  Context context_;
};

}  // namespace tandem
