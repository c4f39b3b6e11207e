#pragma once
// Page-locked host memory of the fake GPU, and copies of it, which a GPU does while the host goes
// on. Here what such a copy reads must stay as it is until the copy was waited for, and what it
// writes holds poison until then. Any thread.

#include <cstddef>
#include <cstdint>

namespace tandem::cuda_on_cpu {

// Bytes of poison; null when there is no memory.
void* AllocatePageLocked(size_t bytes);
void ReleasePageLocked(void* memory);
size_t PageLockedBytesInUse();
// True when it lies in memory of AllocatePageLocked.
bool IsPageLocked(const void* address);

// One of the two is page-locked, the other device memory that can be touched now.
void BeginCopy(const void* stream, void* to, const void* from, size_t bytes);
// The copies that were begun by now have smaller numbers.
uint64_t NextCopy();
// Those of the stream with numbers below `end` are done. Throws a Fault when the host has changed
// what one of them reads.
void FinishCopies(const void* stream, uint64_t end);
// All of every stream, whatever they read.
void FinishAllCopies();

}  // namespace tandem::cuda_on_cpu
