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

StopSignals::StopSignals(Reload reload) : reload_(reload) {
  sigset_t set = StopSet();
  if (reload_ == Reload::kOnHangUp) sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

StopSignals::Signal StopSignals::Wait() const {
  sigset_t set = StopSet();
  if (reload_ == Reload::kOnHangUp) sigaddset(&set, SIGHUP);
  int received = 0;
  while (sigwait(&set, &received) != 0) {
  }
  return received == SIGHUP ? Signal::kReload : Signal::kStop;
}

bool StopSignals::WaitFor(std::chrono::milliseconds longest) const {
  const sigset_t set = StopSet();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(longest);
  const timespec time{seconds.count(), std::chrono::nanoseconds(longest - seconds).count()};
  return sigtimedwait(&set, nullptr, &time) > 0;
}

}  // namespace tandem
