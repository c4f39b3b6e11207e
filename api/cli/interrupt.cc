#include "api/cli/interrupt.h"

#include <atomic>

namespace tandem {

namespace {

std::atomic<bool> interrupted{false};  // lock-free, as a signal handler needs it

void OnInterrupt(int) { interrupted = true; }

}  // namespace

Interrupt::Interrupt() {
  interrupted = false;
  struct sigaction action {};
  action.sa_handler = OnInterrupt;  // without SA_RESTART: a blocking read returns
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &before_);
}

Interrupt::~Interrupt() { sigaction(SIGINT, &before_, nullptr); }

bool Interrupt::came() const { return interrupted; }

void Interrupt::Forget() { interrupted = false; }

}  // namespace tandem
