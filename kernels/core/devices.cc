#include "kernels/core/devices.h"

#include <algorithm>
#include <array>
#include <fstream>

#include "kernels/core/device_memory.h"
#include "kernels/core/error.h"
#include "kernels/core/instruction_set.h"

namespace tandem {
namespace {

constexpr Device kFirstGpu{DeviceKind::kCuda, 0};

// "Key:  123 kB" of /proc/meminfo, in bytes; -1 when it is not there.
int64_t MeminfoBytes(const std::string& key) {
  std::ifstream file("/proc/meminfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(key + ":", 0) == 0) return std::stoll(line.substr(key.size() + 1)) * 1024;
  }
  return -1;
}

// A number in a one-line file; -1 for "max" and for a missing file.
int64_t NumberIn(const char* path) {
  std::ifstream file(path);
  int64_t value = -1;
  return file >> value ? value : -1;
}

// What the machine has available, or what is left of the cgroup's limit where that is less.
int64_t AvailableMemoryBytes() {
  int64_t available = MeminfoBytes("MemAvailable");
  if (available < 0) available = int64_t{1} << 30;
  const int64_t limit = NumberIn("/sys/fs/cgroup/memory.max");
  const int64_t used = NumberIn("/sys/fs/cgroup/memory.current");
  if (limit >= 0 && used >= 0) available = std::min(available, std::max<int64_t>(limit - used, 0));
  return available;
}

}  // namespace

std::span<const std::string_view> DeviceNames() {
  static constexpr std::array<std::string_view, 4> names = {"auto", "cpu", "cuda", "cuda:0"};
  return names;
}

Device FindDevice(std::string_view name) {
  if (name == "cpu") return kCpuDevice;
  if (name == "auto") return NumDevices(DeviceKind::kCuda) > 0 ? kFirstGpu : kCpuDevice;
  if (name != "cuda" && name != "cuda:0") {
    throw ConfigError("device '" + std::string(name) +
                      "' is not known; auto, cpu or cuda (CUDA_VISIBLE_DEVICES chooses among "
                      "several GPUs)");
  }
  CheckDevice(kFirstGpu);
  return kFirstGpu;
}

DeviceReport ReportOf(Device device) {
  if (device.kind != DeviceKind::kCpu) return DeviceMemoryOf(device).report(device.index);
  return {.name = "CPU",
          .architecture = std::string(Name(BestInstructionSet())),
          .memory_bytes = MeminfoBytes("MemTotal"),
          .free_bytes = AvailableMemoryBytes()};
}

}  // namespace tandem
