#include "trainer/stop_request.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include "kernels/core/error.h"

namespace tandem {

StopRequest::StopRequest() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  signal_descriptor_ = ::signalfd(-1, &signals_, SFD_CLOEXEC);
  end_descriptor_ = ::eventfd(0, EFD_CLOEXEC);
  if (signal_descriptor_ < 0 || end_descriptor_ < 0) {
    const std::string why = std::generic_category().message(errno);
    if (signal_descriptor_ >= 0) ::close(signal_descriptor_);
    throw DeviceError("cannot wait for signals: " + why);
  }
  pthread_sigmask(SIG_BLOCK, &signals_, &blocked_before_);
  watcher_ = std::thread([this] { Watch(); });
}

StopRequest::~StopRequest() {
  const uint64_t one = 1;
  // An event counter at zero takes it always.
  [[maybe_unused]] const ssize_t written = ::write(end_descriptor_, &one, sizeof(one));
  watcher_.join();
  ::close(signal_descriptor_);
  ::close(end_descriptor_);
  pthread_sigmask(SIG_SETMASK, &blocked_before_, nullptr);
}

std::optional<int> StopRequest::signal() const {
  const int number = came_;
  return number > 0 ? std::optional(number) : std::nullopt;
}

void StopRequest::Watch() {
  // Before the first signal both descriptors are waited for, then the end alone: poll ignores -1.
  std::array<pollfd, 2> waited = {pollfd{end_descriptor_, POLLIN, 0},
                                  pollfd{signal_descriptor_, POLLIN, 0}};
  while (true) {
    if (::poll(waited.data(), waited.size(), -1) < 0) continue;  // interrupted
    if (waited[0].revents != 0) return;
    signalfd_siginfo received{};
    if (::read(signal_descriptor_, &received, sizeof(received)) != sizeof(received)) continue;
    came_ = static_cast<int>(received.ssi_signo);
    waited[1].fd = -1;
    // In this thread alone: whatever comes now is delivered here, and ends the process.
    pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
  }
}

}  // namespace tandem
