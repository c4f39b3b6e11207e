#include "scheduler/outbox.h"

#include <utility>

namespace tandem {

void Outbox::Push(TokenEvent event) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    was_empty = events_.empty();
    events_.push_back(std::move(event));
  }
  if (!was_empty || !notify_) return;
  try {
    notify_();
  } catch (...) {
    // The event is in the box all the same, and one broken connection is no reason to stop the
    // others.
  }
}

std::vector<TokenEvent> Outbox::Drain() {
  const std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

}  // namespace tandem
