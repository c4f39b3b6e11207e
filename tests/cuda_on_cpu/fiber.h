#pragma once
// A stack to run a function on, and the switch from one to another. A fiber that is left for good
// is forgotten: no destructor on its stack runs. Used by one host thread at a time.

#include <cstddef>

namespace tandem::cuda_on_cpu {

// 64 KiB between two pages that nobody may touch.
class FiberStack {
 public:
  static constexpr size_t kBytes = 64 << 10;

  FiberStack();
  FiberStack(FiberStack&& other) noexcept;
  FiberStack(const FiberStack&) = delete;
  FiberStack& operator=(const FiberStack&) = delete;
  ~FiberStack();

  std::byte* begin() const { return begin_; }
  std::byte* end() const { return begin_ + kBytes; }

 private:
  std::byte* begin_ = nullptr;
};

class Fiber {
 public:
  // Of the host thread's own stack, until Start.
  Fiber() = default;

  // The next switch to it calls main(argument), which must end with SwitchForGood.
  void Start(const FiberStack& stack, void (*main)(void*), void* argument);

  // Leaves `from` and goes on where `to` was left; returns when something switches back.
  static void Switch(Fiber& from, Fiber& to);
  // The same for the last time.
  [[noreturn]] static void SwitchForGood(Fiber& to);
  // After a jump from a fiber back to the host thread's stack, past Switch.
  static void LeaveAfterFault();

 private:
  static void Enter(Fiber& to);

  void* stack_pointer_ = nullptr;
  const std::byte* stack_begin_ = nullptr;  // null: the host thread's
  void* fake_stack_ = nullptr;              // of the address sanitizer
  bool is_new_ = false;                     // it has not run yet
};

}  // namespace tandem::cuda_on_cpu
