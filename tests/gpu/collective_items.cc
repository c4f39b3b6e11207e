// NCCL with a single rank: that the library loads, connects and moves what it is given.

#include <glob.h>

#include <chrono>

#include "kernels/comm/nccl_communicator.h"
#include "kernels/comm/thread_communicator.h"
#include "kernels/core/devices.h"
#include "kernels/core/error.h"
#include "tests/gpu/parts.h"
#include "tests/support/device_context.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

// Where the loader looks, then where Python environments with PyTorch have it.
std::vector<std::string> PlacesOfNccl() {
  std::vector<std::string> places = {"libnccl.so.2"};
  for (const char* pattern :
       {"/usr/local/lib/python3*/*-packages/nvidia/nccl/lib/libnccl.so.2",
        "/usr/lib/python3*/*-packages/nvidia/nccl/lib/libnccl.so.2",
        "/opt/*/lib/python3*/site-packages/nvidia/nccl/lib/libnccl.so.2",
        "/opt/*/.venv/lib/python3*/site-packages/nvidia/nccl/lib/libnccl.so.2"}) {
    glob_t found{};
    if (::glob(pattern, 0, nullptr, &found) == 0) {
      places.insert(places.end(), found.gl_pathv, found.gl_pathv + found.gl_pathc);
    }
    ::globfree(&found);
  }
  return places;
}

// Why there is none; empty where the communicator has it.
std::string AddAnyNccl(Context& context, Communicator& communicator) {
  std::string why;
  for (const std::string& place : PlacesOfNccl()) {
    try {
      AddNccl(context, communicator, place.c_str());
      return "";
    } catch (const ConfigError& error) {
      if (why.empty()) why = error.what();
    }
  }
  return why;
}

template <typename Collective>
bool LeavesAsItIs(Context& context, const Collective& collective) {
  const Tensor values = NormalTensor({300'007}, 1);
  Tensor x = Placed(context, values.Clone());
  collective(x.view());
  const HostCopy got(context, x.view());
  return ToDoubles(got.view()) == ToDoubles(values.view());
}

Finding CheckNccl(Device device) {
  DeviceContext owner(device);
  Context& context = owner;
  const auto communicators = MakeThreadCommunicators(1, std::chrono::seconds(60));
  Communicator& rank = *communicators.front();
  const std::string why = AddAnyNccl(context, rank);
  if (!why.empty()) return Skipped(why);
  if (!LeavesAsItIs(context, [&](TensorView x) { rank.AllReduceSum(context, x); })) {
    return Failed("the sum over one rank is not what it had");
  }
  if (!LeavesAsItIs(context, [&](TensorView x) { rank.Broadcast(context, x, 0); })) {
    return Failed("what the only rank broadcasts is not what it had");
  }
  return Passed();
}

}  // namespace

std::vector<CheckItem> CollectiveItems(const CheckOptions& options) {
  return {{"NCCL, one rank", [options](const RowSink&) -> Finding {
             const Device device = FindDevice(options.device);
             if (device == kCpuDevice) return Skipped("NCCL connects GPUs");
             return CheckNccl(device);
           }}};
}

}  // namespace tandem
