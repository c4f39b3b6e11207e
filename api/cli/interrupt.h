#pragma once
// Ctrl-C as something to ask for: while one exists, SIGINT sets a flag instead of ending the
// process, and a read of the terminal returns. One at a time, used by the main thread, which Linux
// prefers for signals to the process.

#include <signal.h>

namespace tandem {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool came() const;
  void Forget();

 private:
  struct sigaction before_ {};
};

}  // namespace tandem
