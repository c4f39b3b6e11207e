#include "tests/cuda_on_cpu/guarded_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace tandem::cuda_on_cpu {
namespace {

size_t RoundUp(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

GuardedMemory::GuardedMemory(size_t bytes) : size_(bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t padded = RoundUp(bytes, 16);
  const size_t inner = RoundUp(padded, page);
  mapping_bytes_ = inner + 2 * page;
  mapping_ = mmap(nullptr, mapping_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping_ == MAP_FAILED) throw std::bad_alloc();
  std::byte* const begin = static_cast<std::byte*>(mapping_) + page;
  if (inner > 0 && mprotect(begin, inner, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  data_ = begin + inner - padded;
}

GuardedMemory::~GuardedMemory() { munmap(mapping_, mapping_bytes_); }

}  // namespace tandem::cuda_on_cpu
