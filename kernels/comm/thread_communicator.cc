#include "kernels/comm/thread_communicator.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

// What the ranks share. A message lies in the box of its sender and receiver from when the sender
// posts it until the receiver has copied it; meanwhile the sender waits.
class Mailboxes {
 public:
  explicit Mailboxes(int num_ranks) : ranks_(static_cast<size_t>(num_ranks)) {
    for (Rank& rank : ranks_) rank.from.resize(ranks_.size());
  }

  void Run(const RankSettings& settings, const Exchange& exchange) {
    const Clock::time_point deadline = Clock::now() + settings.timeout;
    std::unique_lock lock(mutex_);
    Post(settings.rank, exchange);
    try {
      ReceiveAll(settings, exchange, deadline, lock);
      AwaitTaken(settings, exchange, deadline, lock);
    } catch (...) {  // thrown under the lock
      Withdraw(settings.rank, exchange, lock);
      throw;
    }
  }

  void Leave(int rank, const std::string& reason) {
    const std::lock_guard lock(mutex_);
    Rank& own = At(rank);
    if (!own.left) own.left = reason;
    for (Rank& other : ranks_) other.changed.notify_all();
  }

 private:
  enum class BoxState { kEmpty, kPosted, kBeingCopied };
  struct Box {
    BoxState state = BoxState::kEmpty;
    const std::byte* bytes = nullptr;  // the sender's
    int64_t size_bytes = 0;
  };
  struct Rank {
    std::vector<Box> from;            // [num_ranks]
    std::optional<std::string> left;  // why it takes part no more
    std::condition_variable changed;  // something of this rank's did
  };

  Rank& At(int rank) { return ranks_[static_cast<size_t>(rank)]; }
  Box& BoxOf(int from, int to) { return At(to).from[static_cast<size_t>(from)]; }

  void Post(int rank, const Exchange& exchange) {
    for (const Outgoing& send : exchange.sends) {
      Box& box = BoxOf(rank, send.peer);
      CHECK(box.state == BoxState::kEmpty, rank, send.peer);
      box = {BoxState::kPosted, send.bytes, send.size_bytes};
      At(send.peer).changed.notify_one();
    }
  }

  // In whatever order messages come.
  void ReceiveAll(const RankSettings& settings, const Exchange& exchange,
                  Clock::time_point deadline, std::unique_lock<std::mutex>& lock) {
    std::vector<Incoming> missing(exchange.receives.begin(), exchange.receives.end());
    while (!missing.empty()) {
      const auto posted = std::ranges::find_if(missing, [&](const Incoming& receive) {
        return BoxOf(receive.peer, settings.rank).state == BoxState::kPosted;
      });
      if (posted != missing.end()) {
        CopyMessage(*posted, settings.rank, lock);
        missing.erase(posted);
        continue;
      }
      std::vector<int> peers;
      for (const Incoming& receive : missing) peers.push_back(receive.peer);
      Await(settings, exchange, peers, deadline, lock);
    }
  }

  void CopyMessage(const Incoming& receive, int rank, std::unique_lock<std::mutex>& lock) {
    Box& box = BoxOf(receive.peer, rank);
    CHECK(box.size_bytes == receive.size_bytes, box.size_bytes, receive.size_bytes);
    box.state = BoxState::kBeingCopied;
    lock.unlock();
    std::memcpy(receive.bytes, box.bytes, static_cast<size_t>(receive.size_bytes));
    lock.lock();
    box.state = BoxState::kEmpty;
    At(receive.peer).changed.notify_one();
  }

  void AwaitTaken(const RankSettings& settings, const Exchange& exchange,
                  Clock::time_point deadline, std::unique_lock<std::mutex>& lock) {
    while (true) {
      std::vector<int> peers;
      for (const Outgoing& send : exchange.sends) {
        if (BoxOf(settings.rank, send.peer).state != BoxState::kEmpty) peers.push_back(send.peer);
      }
      if (peers.empty()) return;
      Await(settings, exchange, peers, deadline, lock);
    }
  }

  // Until something changes; throws when one of `peers` left, or the time is over.
  void Await(const RankSettings& settings, const Exchange& exchange, const std::vector<int>& peers,
             Clock::time_point deadline, std::unique_lock<std::mutex>& lock) {
    const auto gone =
        std::ranges::find_if(peers, [&](int peer) { return At(peer).left.has_value(); });
    if (gone != peers.end()) ThrowLeft(settings, exchange.operation, *gone, *At(*gone).left);
    if (Clock::now() >= deadline) ThrowTimeout(settings, exchange.operation, peers);
    At(settings.rank).changed.wait_until(lock, deadline);
  }

  // Nobody reads what this rank sends when it returns.
  void Withdraw(int rank, const Exchange& exchange, std::unique_lock<std::mutex>& lock) {
    for (const Outgoing& send : exchange.sends) {
      Box& box = BoxOf(rank, send.peer);
      // A copy ends by itself.
      At(rank).changed.wait(lock, [&] { return box.state != BoxState::kBeingCopied; });
      box.state = BoxState::kEmpty;
    }
  }

  std::mutex mutex_;
  std::vector<Rank> ranks_;
};

class ThreadTransport : public HostTransport {
 public:
  ThreadTransport(const RankSettings& settings, std::shared_ptr<Mailboxes> mailboxes)
      : HostTransport(settings), mailboxes_(std::move(mailboxes)) {}

  void Run(const Exchange& exchange) override { mailboxes_->Run(settings(), exchange); }
  void Leave(const std::string& reason) noexcept override {
    mailboxes_->Leave(settings().rank, reason);
  }

 private:
  std::shared_ptr<Mailboxes> mailboxes_;
};

}  // namespace

std::vector<std::unique_ptr<Communicator>> MakeThreadCommunicators(
    int num_ranks, std::chrono::milliseconds timeout) {
  CHECK(num_ranks > 0, num_ranks);
  const auto mailboxes = std::make_shared<Mailboxes>(num_ranks);
  std::vector<std::unique_ptr<Communicator>> communicators;
  for (int rank = 0; rank < num_ranks; ++rank) {
    communicators.push_back(std::make_unique<Communicator>(std::make_unique<ThreadTransport>(
        RankSettings{.rank = rank, .num_ranks = num_ranks, .timeout = timeout}, mailboxes)));
  }
  return communicators;
}

}  // namespace tandem
