#include "kernels/core/device_memory.h"

#include <cstring>
#include <string>
#include <utility>

#include "kernels/core/error.h"

namespace tandem {
namespace {

DeviceMemoryFunctions& CudaMemory() {
  static DeviceMemoryFunctions functions;
  return functions;
}

}  // namespace

void SetDeviceMemory(DeviceKind kind, const DeviceMemoryFunctions& functions) {
  CHECK(kind == DeviceKind::kCuda);
  CudaMemory() = functions;
}

const DeviceMemoryFunctions& DeviceMemoryOf(Device device) {
  CHECK(device.kind == DeviceKind::kCuda);
  const DeviceMemoryFunctions& functions = CudaMemory();
  if (functions.num_devices == nullptr) {
    throw DeviceError(
        "this program was built without CUDA: build it with `cmake --preset cuda`, or use the CPU "
        "(--device cpu)");
  }
  return functions;
}

int NumDevices(DeviceKind kind) {
  if (kind == DeviceKind::kCpu) return 1;
  return CudaMemory().num_devices == nullptr ? 0 : CudaMemory().num_devices();
}

void CheckDevice(Device device) {
  if (device.kind == DeviceKind::kCpu) return;
  const int count = DeviceMemoryOf(device).num_devices();
  if (count == 0) {
    throw DeviceError(
        "there is no CUDA device here, or its driver is missing or older than CUDA 13 needs "
        "(nvidia-smi shows it), or CUDA_VISIBLE_DEVICES hides it; use the CPU (--device cpu)");
  }
  if (device.index >= count) {
    throw DeviceError("there is no CUDA device " + std::to_string(device.index) +
                      " here: this process sees " + std::to_string(count) + ", counted from 0");
  }
}

Stream::Stream(Device device) : device_(device) {
  if (device.kind == DeviceKind::kCpu) return;
  CheckDevice(device);
  handle_ = DeviceMemoryOf(device).create_stream(device.index);
}

Stream& Stream::operator=(Stream&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(handle_, other.handle_);
  return *this;
}

Stream::~Stream() {
  if (handle_ != nullptr) DeviceMemoryOf(device_).destroy_stream(device_.index, handle_);
}

Event& Event::operator=(Event&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(handle_, other.handle_);
  return *this;
}

Event::~Event() {
  if (handle_ != nullptr) DeviceMemoryOf(device_).destroy_event(handle_);
}

void Event::Mark(const Context& context) {
  if (context.device.kind == DeviceKind::kCpu) return;
  const DeviceMemoryFunctions& functions = DeviceMemoryOf(context.device);
  if (handle_ == nullptr) {
    device_ = context.device;
    handle_ = functions.create_event(device_.index);
  }
  CHECK(device_ == context.device, device_.index, context.device.index);
  functions.mark_event(context, handle_);
}

void Event::Await() const {
  if (handle_ != nullptr) DeviceMemoryOf(device_).await_event(handle_);
}

bool CanRecord(const Context& context) {
  return context.device.kind != DeviceKind::kCpu && context.stream != nullptr &&
         DeviceMemoryOf(context.device).begin_recording != nullptr;
}

Recording::Recording(Context& context, const std::function<void()>& work)
    : device_(context.device) {
  CHECK(CanRecord(context));
  const DeviceMemoryFunctions& functions = DeviceMemoryOf(device_);
  functions.begin_recording(context);
  try {
    work();
  } catch (...) {
    try {
      functions.destroy_recording(functions.end_recording(context));
    } catch (const DeviceError&) {
      // What went wrong first is what is told.
    }
    throw;
  }
  handle_ = functions.end_recording(context);
}

Recording& Recording::operator=(Recording&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(handle_, other.handle_);
  return *this;
}

Recording::~Recording() {
  if (handle_ != nullptr) DeviceMemoryOf(device_).destroy_recording(handle_);
}

void Recording::Replay(Context& context) const {
  CHECK(!empty() && device_ == context.device, device_.index, context.device.index);
  DeviceMemoryOf(device_).replay(context, handle_);
}

Buffer StagingBuffer(Device device, int64_t size_bytes) {
  if (device.kind == DeviceKind::kCpu) return Buffer(device, size_bytes);
  CheckDevice(device);
  return Buffer(DeviceMemoryOf(device).staging, size_bytes);
}

void Copy(Context& context, ConstTensorView from, TensorView to) {
  CHECK(from.shape() == to.shape() && from.dtype() == to.dtype(), from.shape(), to.shape(),
        Name(from.dtype()), Name(to.dtype()));
  for (const Device device : {from.device(), to.device()}) {
    CHECK(device == kCpuDevice || device == context.device, device.index, context.device.index);
  }
  if (from.num_elements() == 0 || from.bytes() == to.bytes()) return;
  if (from.device() == kCpuDevice && to.device() == kCpuDevice) {
    std::memcpy(to.bytes(), from.bytes(), static_cast<size_t>(from.size_bytes()));
    return;
  }
  DeviceMemoryOf(context.device).copy(context, to.bytes(), from.bytes(), from.size_bytes());
}

HostCopy::HostCopy(Context& context, ConstTensorView view) : view_(view) {
  if (view.device() == kCpuDevice) return;
  copy_ = Tensor(view.dtype(), view.shape());
  Copy(context, view, copy_);
  Synchronize(context);
  view_ = std::as_const(copy_).view();
}

void FillZero(Context& context, TensorView x) {
  if (x.num_elements() == 0) return;
  if (x.device() == kCpuDevice) {
    std::memset(x.bytes(), 0, static_cast<size_t>(x.size_bytes()));
    return;
  }
  CHECK(x.device() == context.device, x.device().index, context.device.index);
  DeviceMemoryOf(context.device).fill_zero(context, x.bytes(), x.size_bytes());
}

void Synchronize(Context& context) {
  if (context.device.kind == DeviceKind::kCpu) return;
  DeviceMemoryOf(context.device).synchronize(context);
}

}  // namespace tandem
