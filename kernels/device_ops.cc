#include "kernels/device_ops.h"

#include <string>

#include "kernels/core/error.h"

namespace tandem {
namespace {

DeviceOps& CudaOps() {
  static DeviceOps ops;
  return ops;
}

}  // namespace

void SetDeviceOps(DeviceKind kind, const DeviceOps& ops) {
  CHECK(kind == DeviceKind::kCuda);
  CudaOps() = ops;
}

const DeviceOps& DeviceOpsOf(DeviceKind kind) {
  CHECK(kind == DeviceKind::kCuda);
  return CudaOps();
}

void FailWithoutOp(const char* name) {
  throw DeviceError(std::string(name) +
                    " does not run on CUDA: this program was built without it, or the op has no "
                    "kernel there yet; use the CPU");
}

}  // namespace tandem
