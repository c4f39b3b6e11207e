#pragma once
// The runtime library's share of CUDA on the CPU: memory that only kernels and copies may touch
// (anything else is a fault, which says so), streams that do their work at once, and recordings.

#include <cstddef>
#include <cstdint>
#include <functional>

namespace tandem::cuda_on_cpu {

// Zero-filled bytes that end where a forbidden page begins; null when the fake GPU's memory is
// full.
void* AllocateDevice(size_t bytes);
void ReleaseDevice(void* memory);
size_t DeviceBytesInUse();

// How much the fake GPU has. 8 GiB at the start.
void SetDeviceBytes(size_t bytes);
size_t DeviceBytes();

// Device memory can be touched for as long as one lives.
class DeviceAccess {
 public:
  DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
  ~DeviceAccess();
};

// The next synchronisation fails with this code of cudaError_t, and so do all after it, until 0.
void SetDeviceFailure(int error);
int DeviceFailure();

// While one is recorded, work is kept instead of done. One at a time.
bool IsRecording();
void BeginRecording();
void Record(std::function<void()> work);
std::function<void()> EndRecording();

// True when it lies in memory of AllocateDevice.
bool IsDeviceMemory(const void* address);

}  // namespace tandem::cuda_on_cpu
