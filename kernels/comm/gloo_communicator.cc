#include "kernels/comm/gloo_communicator.h"

#include <gloo/common/error.h>
#include <gloo/common/logging.h>
#include <gloo/context.h>
#include <gloo/transport/address.h>
#include <gloo/transport/context.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/transport/unbound_buffer.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cstring>

#include "kernels/comm/thread_communicator.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// While it lives, this thread and those that it starts get none of these signals. gloo writes to
// sockets that a peer may have closed, with writev, which has no flag against SIGPIPE; and the
// signals of a process are not for its thread.
class BlockedSignals {
 public:
  explicit BlockedSignals(const sigset_t& signals) {
    sigset_t pending;
    ::sigpending(&pending);
    pipe_was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &signals, &saved_);
  }
  ~BlockedSignals() {
    sigset_t pipe = Pipe();
    const timespec now{};
    if (!pipe_was_pending_) ::sigtimedwait(&pipe, nullptr, &now);  // one of gloo's, if any
    ::pthread_sigmask(SIG_SETMASK, &saved_, nullptr);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

  static sigset_t Pipe() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGPIPE);
    return signals;
  }
  static sigset_t All() {
    sigset_t signals;
    ::sigfillset(&signals);
    return signals;
  }

 private:
  sigset_t saved_;
  bool pipe_was_pending_ = false;
};

// gloo's messages begin with the place in its source, which says nothing here.
std::string MessageOf(const std::exception& error) {
  const std::string text = error.what();
  const size_t end = text.starts_with('[') ? text.find("] ") : text.npos;
  return end == text.npos ? text : text.substr(end + 2);
}

// Addresses of a rank's sockets, one for each other rank: after each its number, then its length.
std::string AddressesOf(::gloo::transport::Context& context, int rank, int num_ranks) {
  std::string text;
  for (int peer = 0; peer < num_ranks; ++peer) {
    if (peer == rank) continue;
    const std::vector<char> bytes = context.createPair(peer)->address().bytes();
    const int64_t head[2] = {peer, static_cast<int64_t>(bytes.size())};
    text.append(reinterpret_cast<const char*>(head), sizeof(head));
    text.append(bytes.data(), bytes.size());
  }
  return text;
}

std::vector<char> AddressFor(int rank, std::string_view addresses) {
  int64_t head[2];
  while (addresses.size() >= sizeof(head)) {
    std::memcpy(head, addresses.data(), sizeof(head));
    addresses.remove_prefix(sizeof(head));
    if (head[1] < 0 || static_cast<uint64_t>(head[1]) > addresses.size()) break;
    const std::string_view bytes = addresses.substr(0, static_cast<size_t>(head[1]));
    if (head[0] == rank) return {bytes.begin(), bytes.end()};
    addresses.remove_prefix(bytes.size());
  }
  throw FormatError("a rank's addresses lack that for rank " + std::to_string(rank) +
                    "; start all ranks with one program");
}

// A connection between each two ranks.
class Mesh : public ::gloo::Context {
 public:
  explicit Mesh(const GlooSettings& settings)
      : ::gloo::Context(settings.rendezvous.rank.rank, settings.rendezvous.rank.num_ranks) {
    const milliseconds timeout = settings.rendezvous.rank.timeout;
    TcpRendezvous rendezvous(settings.rendezvous);
    ::gloo::transport::tcp::attr attributes;
    attributes.hostname =
        settings.own_address.empty() ? rendezvous.own_address() : settings.own_address;
    {
      const BlockedSignals blocked(BlockedSignals::All());  // of the thread that it starts
      device_ = ::gloo::transport::tcp::CreateDevice(attributes);
    }
    transportContext_ = device_->createContext(rank, size);
    // gloo allows five times its timeout for a connection.
    transportContext_->setTimeout(std::max(timeout / 5, milliseconds(1)));
    setTimeout(timeout);
    const std::vector<std::string> addresses =
        rendezvous.AllGather(AddressesOf(*transportContext_, rank, size));
    for (int peer = 0; peer < size; ++peer) {
      if (peer == rank) continue;
      try {
        transportContext_->getPair(peer)->connect(
            AddressFor(rank, addresses[static_cast<size_t>(peer)]));
      } catch (const ::gloo::Exception& error) {
        throw DeviceError("rank " + std::to_string(rank) + " of " + std::to_string(size) +
                          " has no connection with rank " + std::to_string(peer) + " (" +
                          ToString(timeout) + " were allowed): " + MessageOf(error));
      }
    }
  }
};

class GlooTransport : public HostTransport {
 public:
  explicit GlooTransport(const GlooSettings& settings)
      : HostTransport(settings.rendezvous.rank),
        sent_(static_cast<size_t>(settings.rendezvous.rank.num_ranks)),
        received_(sent_.size()) {
    try {
      mesh_ = std::make_unique<Mesh>(settings);
    } catch (const ::gloo::Exception& error) {
      throw DeviceError(At() + "gloo does not start: " + MessageOf(error));
    } catch (const ::gloo::EnforceNotMet& error) {
      throw DeviceError(At() + "gloo does not start: " + MessageOf(error));
    }
    Meet();
  }
  ~GlooTransport() override { Leave(""); }

  void Run(const Exchange& exchange) override {
    const BlockedSignals blocked(BlockedSignals::Pipe());
    const Clock::time_point deadline = Clock::now() + settings().timeout;
    std::vector<Pending> sends, receives;
    for (const Incoming& receive : exchange.receives) {
      Pending& pending =
          receives.emplace_back(Start(receive.peer, receive.bytes, receive.size_bytes));
      Try(exchange, receive.peer, deadline, [&] {
        pending.buffer->recv(receive.peer, received_[static_cast<size_t>(receive.peer)]++);
      });
    }
    for (const Outgoing& send : exchange.sends) {
      // gloo reads it only.
      Pending& pending =
          sends.emplace_back(Start(send.peer, const_cast<std::byte*>(send.bytes), send.size_bytes));
      Try(exchange, send.peer, deadline,
          [&] { pending.buffer->send(send.peer, sent_[static_cast<size_t>(send.peer)]++); });
    }
    for (const Pending& pending : receives) {
      Try(exchange, pending.peer, deadline,
          [&] { pending.buffer->waitRecv(nullptr, TimeUntil(deadline)); });
    }
    for (const Pending& pending : sends) {
      Try(exchange, pending.peer, deadline,
          [&] { pending.buffer->waitSend(nullptr, TimeUntil(deadline)); });
    }
  }

  // Closes the connections, after what is on its way; that is what tells the peers. gloo forgets to
  // wake who waits for a message that has come in part: that one waits until its deadline.
  void Leave(const std::string&) noexcept override {
    if (mesh_ == nullptr) return;
    const BlockedSignals blocked(BlockedSignals::Pipe());
    mesh_.reset();
  }

 private:
  struct Pending {
    int peer;
    std::unique_ptr<::gloo::transport::UnboundBuffer> buffer;
  };

  std::string At() const {
    return "rank " + std::to_string(settings().rank) + " of " +
           std::to_string(settings().num_ranks) + ": ";
  }

  // Until every rank has all its connections: one that leaves soon would break those of others.
  void Meet() {
    std::vector<std::byte> bytes(static_cast<size_t>(settings().num_ranks));
    std::vector<Outgoing> sends;
    std::vector<Incoming> receives;
    const std::byte sent{};
    for (int peer = 0; peer < settings().num_ranks; ++peer) {
      if (peer == settings().rank) continue;
      sends.push_back({peer, &sent, 1});
      receives.push_back({peer, &bytes[static_cast<size_t>(peer)], 1});
    }
    Run({.sends = sends, .receives = receives, .operation = Operation{}});
  }

  Pending Start(int peer, std::byte* bytes, int64_t size_bytes) {
    return {peer, mesh_->createUnboundBuffer(bytes, static_cast<size_t>(size_bytes))};
  }

  // 1 ms at least: gloo gives other meanings to 0 and below.
  static milliseconds TimeUntil(Clock::time_point deadline) {
    return std::max(std::chrono::ceil<milliseconds>(deadline - Clock::now()), milliseconds(1));
  }

  template <typename Call>
  void Try(const Exchange& exchange, int peer, Clock::time_point deadline, Call&& call) {
    try {
      call();
    } catch (const ::gloo::Exception& error) {
      if (Clock::now() >= deadline) ThrowTimeout(settings(), exchange.operation, {&peer, 1});
      ThrowLeft(settings(), exchange.operation, peer, MessageOf(error));
    } catch (const ::gloo::EnforceNotMet& error) {
      ThrowLeft(settings(), exchange.operation, peer, MessageOf(error));
    }
  }

  std::unique_ptr<Mesh> mesh_;
  // Messages to and from each rank so far: their numbers, by which gloo pairs them.
  std::vector<uint64_t> sent_, received_;
};

}  // namespace

std::unique_ptr<Communicator> MakeGlooCommunicator(const GlooSettings& settings) {
  const RankSettings& rank = settings.rendezvous.rank;
  if (rank.num_ranks == 1 && rank.rank == 0) {
    return std::move(MakeThreadCommunicators(1, rank.timeout).front());
  }
  return std::make_unique<Communicator>(std::make_unique<GlooTransport>(settings));
}

}  // namespace tandem
