#include "tests/cuda_on_cpu/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#error "the switch between fibers is written for x86-64 only"
#endif

namespace tandem::cuda_on_cpu {
namespace {

size_t PageBytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

struct Entry {
  void (*main)(void*);
  void* argument;
};

Entry next_entry;  // of the fiber that is about to run for the first time

// Of the host thread, for the address sanitizer; known after the first switch away from it.
[[maybe_unused]] const void* host_stack_begin = nullptr;
[[maybe_unused]] size_t host_stack_bytes = 0;

// Before and after a switch the address sanitizer must be told of the stack that is next. A fiber
// that never comes back gives its fake stack away: `fake_stack` is null then.
void BeforeSwitch([[maybe_unused]] void** fake_stack, [[maybe_unused]] const std::byte* to) {
#if defined(__SANITIZE_ADDRESS__)
  if (host_stack_begin == nullptr) {
    pthread_attr_t attributes;
    pthread_getattr_np(pthread_self(), &attributes);
    void* begin = nullptr;
    pthread_attr_getstack(&attributes, &begin, &host_stack_bytes);
    pthread_attr_destroy(&attributes);
    host_stack_begin = begin;
  }
  if (to == nullptr) {
    __sanitizer_start_switch_fiber(fake_stack, host_stack_begin, host_stack_bytes);
  } else {
    __sanitizer_start_switch_fiber(fake_stack, to, FiberStack::kBytes);
  }
#endif
}

void AfterSwitch([[maybe_unused]] void* fake_stack) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

[[noreturn]] void Begin() {
  AfterSwitch(nullptr);
  const Entry entry = next_entry;
  entry.main(entry.argument);
  std::abort();
}

}  // namespace

// Saves what a call must preserve on the stack that it leaves, and takes it from the one it goes on
// with.
extern "C" void cuda_on_cpu_switch(void** from, void* to);
asm(R"(
.text
.type cuda_on_cpu_switch, @function
cuda_on_cpu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_on_cpu_switch, . - cuda_on_cpu_switch
)");

FiberStack::FiberStack() {
  const size_t page = PageBytes();
  void* memory = mmap(nullptr, kBytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  begin_ = static_cast<std::byte*>(memory) + page;
  if (mprotect(begin_, kBytes, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
}

FiberStack::FiberStack(FiberStack&& other) noexcept
    : begin_(std::exchange(other.begin_, nullptr)) {}

FiberStack::~FiberStack() {
  const size_t page = PageBytes();
  if (begin_ != nullptr) munmap(begin_ - page, kBytes + 2 * page);
}

void Fiber::Start(const FiberStack& stack, void (*main)(void*), void* argument) {
  // What cuda_on_cpu_switch takes from the stack: six registers and where to go on; there, as after
  // a call, the stack is 8 below a multiple of 16.
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack.begin(), FiberStack::kBytes);  // of frames left for good
#endif
  auto* top = reinterpret_cast<uintptr_t*>(stack.end());
  *--top = 0;  // would be the return address of Begin
  *--top = reinterpret_cast<uintptr_t>(Begin);
  for (int i = 0; i < 6; ++i) *--top = 0;
  top[0] = reinterpret_cast<uintptr_t>(main);
  top[1] = reinterpret_cast<uintptr_t>(argument);
  stack_pointer_ = top;
  stack_begin_ = stack.begin();
  is_new_ = true;
}

void Fiber::Enter(Fiber& to) {
  if (!std::exchange(to.is_new_, false)) return;
  const auto* top = static_cast<const uintptr_t*>(to.stack_pointer_);
  next_entry = {reinterpret_cast<void (*)(void*)>(top[0]), reinterpret_cast<void*>(top[1])};
}

void Fiber::Switch(Fiber& from, Fiber& to) {
  Enter(to);
  BeforeSwitch(&from.fake_stack_, to.stack_begin_);
  cuda_on_cpu_switch(&from.stack_pointer_, to.stack_pointer_);
  AfterSwitch(from.fake_stack_);
}

void Fiber::SwitchForGood(Fiber& to) {
  Enter(to);
  BeforeSwitch(nullptr, to.stack_begin_);
  void* nobody = nullptr;
  cuda_on_cpu_switch(&nobody, to.stack_pointer_);
  std::abort();
}

void Fiber::LeaveAfterFault() {
  BeforeSwitch(nullptr, nullptr);
  AfterSwitch(nullptr);
#if defined(__SANITIZE_ADDRESS__)
  // The frames between here and the switch to the fiber are left for good, too.
  constexpr size_t kBelow = 256 << 10;
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  __asan_unpoison_memory_region(reinterpret_cast<void*>(here - kBelow), kBelow);
#endif
}

}  // namespace tandem::cuda_on_cpu
