#include "api/cli/stop_signals.h"

#include <signal.h>

#include <cerrno>

namespace tandem {

namespace {

sigset_t StopSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = StopSet();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

void StopSignals::Wait() const {
  const sigset_t set = StopSet();
  int received = 0;
  while (sigwait(&set, &received) != 0) {
  }
}

bool StopSignals::WaitFor(std::chrono::milliseconds longest) const {
  const sigset_t set = StopSet();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(longest);
  const timespec time{seconds.count(), std::chrono::nanoseconds(longest - seconds).count()};
  return sigtimedwait(&set, nullptr, &time) > 0;
}

}  // namespace tandem
