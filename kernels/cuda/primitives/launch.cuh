#pragma once
// The one way to start a kernel.

#include <cuda_runtime.h>

#include <cstddef>
#include <string>
#include <utility>

#include "kernels/core/error.h"

namespace tandem::cuda {

struct LaunchShape {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;  // dynamic
  // Each thread calls AwaitPrevious (ptx.cuh) before it touches global memory, so the kernel may
  // start while the one before it in the stream ends ("programmatic dependent launch"; recordings
  // keep it, since CUDA 12.3).
  bool waits_inside = false;
};

// False: no kernel starts before the one before it has ended.
inline constexpr bool kOverlapLaunches = true;

#if defined(__CUDACC__)
// From sm_90 on. A process has one device.
inline bool DeviceOverlapsLaunches() {
  static const bool overlaps = [] {
    int device = 0;
    int major = 0;
    return cudaGetDevice(&device) == cudaSuccess &&
           cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) ==
               cudaSuccess &&
           major >= 9;
  }();
  return overlaps;
}
#endif

// Blocks of `per_block` that cover `items`.
inline unsigned NumBlocks(int64_t items, int64_t per_block) {
  return static_cast<unsigned>((items + per_block - 1) / per_block);
}

// Starts kernel<<<shape>>>(arguments...) on `stream` (null: the default one). Throws DeviceError
// that names the kernel when the device refuses it; faults while it runs show at the next
// synchronisation.
template <typename... Parameters, typename... Arguments>
void Launch(const char* name, const LaunchShape& shape, void* stream, void (*kernel)(Parameters...),
            Arguments&&... arguments) {
#if defined(__CUDACC__)
  constexpr size_t kBytesWithoutAsking = 32 << 10;  // of 48 KiB, which static memory shares
  cudaError_t error = cudaSuccess;
  if (shape.shared_bytes > kBytesWithoutAsking) {
    error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(shape.shared_bytes));
  }
  if (error == cudaSuccess) {
    cudaLaunchConfig_t config{};
    config.gridDim = shape.grid;
    config.blockDim = shape.block;
    config.dynamicSmemBytes = shape.shared_bytes;
    config.stream = static_cast<cudaStream_t>(stream);
    cudaLaunchAttribute overlap{};
    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
    if (kOverlapLaunches && shape.waits_inside && DeviceOverlapsLaunches()) {
      config.attrs = &overlap;
      config.numAttrs = 1;
    }
    error = cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
  }
  if (error != cudaSuccess) {
    throw DeviceError("kernel " + std::string(name) + " was refused: " + cudaGetErrorString(error));
  }
#else
  (void)stream;
  cuda_on_cpu::Launch(
      name, {shape.grid, shape.block, shape.shared_bytes, shape.waits_inside},
      [kernel, ... values = std::decay_t<Arguments>(arguments)] { kernel(values...); });
#endif
}

}  // namespace tandem::cuda
