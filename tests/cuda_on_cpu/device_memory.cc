#include "tests/cuda_on_cpu/device_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace tandem::cuda_on_cpu {
namespace {

size_t PageBytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

size_t RoundUp(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

struct Allocation {
  std::byte* mapping = nullptr;  // a forbidden page, `inner` bytes, a forbidden page
  size_t inner = 0;
  size_t size = 0;
};

struct State {
  std::mutex mutex;
  std::map<const std::byte*, Allocation> allocations;  // by the address that was given out
  size_t bytes_in_use = 0;
  size_t device_bytes = size_t{8} << 30;
  int num_accesses = 0;
  bool open = false;  // nothing is protected now
  size_t num_endings = 0;
  std::atomic<int> failure = 0;
  bool recording = false;
  std::vector<std::function<void()>> recorded;
  struct sigaction before {};
  bool handles_faults = false;
};

State& TheState() {
  static State* const state = new State;  // outlives every static that owns device memory
  return *state;
}

void Protect(const Allocation& allocation, int protection) {
  mprotect(allocation.mapping + PageBytes(), allocation.inner, protection);
}

// The allocation that an address is in, its forbidden pages included.
const std::pair<const std::byte* const, Allocation>* Find(const void* address) {
  const auto* const byte = static_cast<const std::byte*>(address);
  for (const auto& entry : TheState().allocations) {
    const Allocation& allocation = entry.second;
    if (byte >= allocation.mapping &&
        byte < allocation.mapping + allocation.inner + 2 * PageBytes()) {
      return &entry;
    }
  }
  return nullptr;
}

// Host code that touches device memory would crash on a machine with a GPU too; here it is told.
void OnHostFault(int signal, siginfo_t* info, void*) {
  if (const auto* const entry = Find(info->si_addr)) {
    char text[200];
    const int length = std::snprintf(
        text, sizeof(text), "host code touches device memory: byte %td of an allocation of %zu\n",
        static_cast<const std::byte*>(info->si_addr) - entry->first, entry->second.size);
    if (length > 0 && write(STDERR_FILENO, text, static_cast<size_t>(length)) < 0) {
      // Nothing else can be done.
    }
  }
  sigaction(signal, &TheState().before, nullptr);  // and happens again
}

void HandleFaults(State& state) {
  if (state.handles_faults) return;
  struct sigaction action {};
  action.sa_sigaction = OnHostFault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, &state.before);
  state.handles_faults = true;
}

}  // namespace

void* AllocateDevice(size_t bytes) {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  if (state.bytes_in_use + bytes > state.device_bytes) return nullptr;
  HandleFaults(state);
  const size_t padded = RoundUp(bytes, 16);
  Allocation allocation{.inner = RoundUp(padded, PageBytes()), .size = bytes};
  void* const mapped = mmap(nullptr, allocation.inner + 2 * PageBytes(), PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  allocation.mapping = static_cast<std::byte*>(mapped);
  if (state.open) Protect(allocation, PROT_READ | PROT_WRITE);
  std::byte* const data = allocation.mapping + PageBytes() + allocation.inner - padded;
  state.allocations[data] = allocation;
  state.bytes_in_use += bytes;
  return data;
}

void ReleaseDevice(void* memory) {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  const auto found = state.allocations.find(static_cast<const std::byte*>(memory));
  if (found == state.allocations.end()) return;
  munmap(found->second.mapping, found->second.inner + 2 * PageBytes());
  state.bytes_in_use -= found->second.size;
  state.allocations.erase(found);
}

size_t DeviceBytesInUse() {
  const std::lock_guard lock(TheState().mutex);
  return TheState().bytes_in_use;
}

void SetDeviceBytes(size_t bytes) {
  const std::lock_guard lock(TheState().mutex);
  TheState().device_bytes = bytes;
}

size_t DeviceBytes() {
  const std::lock_guard lock(TheState().mutex);
  return TheState().device_bytes;
}

DeviceAccess::DeviceAccess() {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  ++state.num_accesses;
  if (state.open) return;
  state.open = true;
  for (const auto& [data, allocation] : state.allocations) {
    Protect(allocation, PROT_READ | PROT_WRITE);
  }
}

DeviceAccess::~DeviceAccess() {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  if (--state.num_accesses > 0) return;
  // A system call for each allocation: with many of them, not after every launch.
  if (++state.num_endings % (1 + state.allocations.size() / 8) != 0) return;
  state.open = false;
  for (const auto& [data, allocation] : state.allocations) Protect(allocation, PROT_NONE);
}

void SetDeviceFailure(int error) { TheState().failure = error; }
int DeviceFailure() { return TheState().failure; }

bool IsRecording() { return TheState().recording; }

void BeginRecording() {
  TheState().recording = true;
  TheState().recorded.clear();
}

void Record(std::function<void()> work) { TheState().recorded.push_back(std::move(work)); }

std::function<void()> EndRecording() {
  TheState().recording = false;
  return [recorded = std::move(TheState().recorded)] {
    for (const auto& work : recorded) work();
  };
}

bool IsDeviceMemory(const void* address) {
  const std::lock_guard lock(TheState().mutex);
  return Find(address) != nullptr;
}

}  // namespace tandem::cuda_on_cpu
