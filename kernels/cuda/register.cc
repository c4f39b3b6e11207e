// Part of every program that is built with CUDA: gives in the backend before main begins. Whether a
// GPU is there is asked when one is wanted.

#include "kernels/cuda/ops.h"
#include "kernels/cuda/vendor_products.h"

namespace tandem::cuda {
namespace {

[[maybe_unused]] const bool registered = [] {
  SetDeviceOps(DeviceKind::kCuda, Ops());
  SetDeviceMemory(DeviceKind::kCuda, Memory());
  SetVendorProducts(OpenCublasProducts);
  return true;
}();

}  // namespace
}  // namespace tandem::cuda
