#include "tests/cuda_on_cpu/page_locked.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/cuda_on_cpu/emulator.h"

namespace tandem::cuda_on_cpu {
namespace {

constexpr int kPoison = 0xdb;

struct PendingCopy {
  uint64_t number = 0;
  const void* stream = nullptr;
  std::byte* to = nullptr;  // null: the device has it, and the host is watched
  const std::byte* from = nullptr;
  std::vector<std::byte> values;  // of `from` when the copy began
};

struct State {
  std::mutex mutex;
  std::map<const std::byte*, size_t> allocations;
  size_t bytes_in_use = 0;
  uint64_t next_copy = 0;
  std::vector<PendingCopy> pending;  // in the order in which they began
};

State& TheState() {
  static State* const state = new State;  // outlives every static that owns such memory
  return *state;
}

bool IsWithin(const State& state, const void* address) {
  const auto* const byte = static_cast<const std::byte*>(address);
  auto after = state.allocations.upper_bound(byte);
  if (after == state.allocations.begin()) return false;
  --after;
  return byte < after->first + after->second;
}

// What the host changed, or nothing.
std::string Finish(const PendingCopy& copy) {
  if (copy.to != nullptr) {
    std::memcpy(copy.to, copy.values.data(), copy.values.size());
    return {};
  }
  const auto [now, then] =
      std::mismatch(copy.from, copy.from + copy.values.size(), copy.values.begin());
  if (then == copy.values.end()) return {};
  return "the host changed byte " + std::to_string(now - copy.from) + " of " +
         std::to_string(copy.values.size()) + " while they were copied to the device";
}

// Those of pending for which `is_done`; gives what the host changed, or nothing.
template <typename Predicate>
std::string FinishSome(State& state, const Predicate& is_done) {
  std::string changed;
  std::erase_if(state.pending, [&](const PendingCopy& copy) {
    if (!is_done(copy)) return false;
    const std::string found = Finish(copy);
    if (changed.empty()) changed = found;
    return true;
  });
  return changed;
}

}  // namespace

void* AllocatePageLocked(size_t bytes) {
  void* const memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (memory == nullptr) return nullptr;
  std::memset(memory, kPoison, bytes);
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  state.allocations[static_cast<const std::byte*>(memory)] = bytes;
  state.bytes_in_use += bytes;
  return memory;
}

void ReleasePageLocked(void* memory) {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  const auto found = state.allocations.find(static_cast<const std::byte*>(memory));
  if (found == state.allocations.end()) return;
  state.bytes_in_use -= found->second;
  state.allocations.erase(found);
  std::free(memory);
}

size_t PageLockedBytesInUse() {
  const std::lock_guard lock(TheState().mutex);
  return TheState().bytes_in_use;
}

bool IsPageLocked(const void* address) {
  const std::lock_guard lock(TheState().mutex);
  return IsWithin(TheState(), address);
}

void BeginCopy(const void* stream, void* to, const void* from, size_t bytes) {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  const auto* const first = static_cast<const std::byte*>(from);
  auto* const target = static_cast<std::byte*>(to);
  PendingCopy copy{.number = state.next_copy++,
                   .stream = stream,
                   .from = first,
                   .values = std::vector<std::byte>(first, first + bytes)};
  if (IsWithin(state, to)) {
    // What earlier copies of the stream read there they have read when this one writes it.
    const std::string changed = FinishSome(state, [&](const PendingCopy& earlier) {
      return earlier.stream == stream && earlier.to == nullptr && earlier.from < target + bytes &&
             target < earlier.from + earlier.values.size();
    });
    if (!changed.empty()) throw Fault(changed);
    copy.to = target;
    std::memset(to, kPoison, bytes);
  } else {
    std::memcpy(to, from, bytes);
  }
  state.pending.push_back(std::move(copy));
}

uint64_t NextCopy() {
  const std::lock_guard lock(TheState().mutex);
  return TheState().next_copy;
}

void FinishCopies(const void* stream, uint64_t end) {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  const std::string changed = FinishSome(
      state, [&](const PendingCopy& copy) { return copy.stream == stream && copy.number < end; });
  if (!changed.empty()) throw Fault(changed);
}

void FinishAllCopies() {
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  for (const PendingCopy& copy : state.pending) Finish(copy);
  state.pending.clear();
}

}  // namespace tandem::cuda_on_cpu
