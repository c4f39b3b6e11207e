#pragma once
// Two processes that tell each other when to go on: a benchmark's server, and its clients in a
// process of their own.

#include <unistd.h>

#include <array>
#include <utility>

#include "kernels/core/error.h"

namespace tandem {

// Values one way; the end of the other process is the end of file.
class Pipe {
 public:
  Pipe() {
    if (::pipe(ends_.data()) != 0) throw DeviceError("no pipe");
  }
  ~Pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  template <typename T>
  void Give(T value) {
    if (::write(ends_[1], &value, sizeof(value)) != sizeof(value)) ::_exit(3);
  }
  template <typename T>
  T Take() {
    T value{};
    if (::read(ends_[0], &value, sizeof(value)) != sizeof(value)) {
      throw DeviceError("the client's process ended too early");
    }
    return value;
  }
  void CloseWriting() { ::close(std::exchange(ends_[1], -1)); }

 private:
  std::array<int, 2> ends_{};
};

}  // namespace tandem
