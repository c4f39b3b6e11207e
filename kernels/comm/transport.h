#pragma once
// What moves bytes between ranks; a Communicator is built on one. Owned by it, used by its thread.

#include <chrono>
#include <span>
#include <string>

#include "kernels/comm/operation.h"
#include "kernels/core/context.h"

namespace tandem {

struct RankSettings {
  int rank = 0;  // [0, num_ranks)
  int num_ranks = 1;
  // The longest wait for another rank, from when this one is ready. Ranks may be that far apart
  // (one writes a checkpoint, the others are at the next step), so it is not short.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
};

struct Outgoing {
  int peer;
  const std::byte* bytes;
  int64_t size_bytes;  // > 0
};

struct Incoming {
  int peer;
  std::byte* bytes;
  int64_t size_bytes;  // > 0
};

// Messages of one rank that travel together. At most one to each peer and one from each; none to
// itself. Messages between two ranks arrive in the order in which they were sent.
struct Exchange {
  std::span<const Outgoing> sends;
  std::span<const Incoming> receives;
  const Operation& operation;  // of which it is a part; for errors
};

// Between memories of hosts.
class HostTransport {
 public:
  explicit HostTransport(const RankSettings& settings) : settings_(settings) {}
  virtual ~HostTransport() = default;
  HostTransport(const HostTransport&) = delete;
  HostTransport& operator=(const HostTransport&) = delete;

  const RankSettings& settings() const { return settings_; }

  // Returns when all has arrived here and all that is sent may be changed. DeviceError naming this
  // rank, the peer, the operation and the timeout when a peer is gone or does not come.
  virtual void Run(const Exchange& exchange) = 0;

  // This rank takes part no more: peers that wait for it fail soon, with the reason where it can be
  // told. Run is not called again.
  virtual void Leave(const std::string& reason) noexcept = 0;

 private:
  RankSettings settings_;
};

// Between memories of devices, in the order of their streams.
class DeviceTransport {
 public:
  virtual ~DeviceTransport() = default;

  virtual Device device() const = 0;
  // Queues it in the context's stream.
  virtual void Run(Context& context, const Exchange& exchange) = 0;
  // Returns when the stream is done. DeviceError as above when it is not in time.
  virtual void Wait(Context& context, const Operation& operation) = 0;
  // Ends what is queued.
  virtual void Leave() noexcept = 0;
};

// "30 s", "250 ms"
std::string ToString(std::chrono::milliseconds time);

// DeviceErrors: "rank 0 of 4, Barrier (operation 3): ranks 1, 2 did not come within 30 s; ..."
[[noreturn]] void ThrowTimeout(const RankSettings& settings, const Operation& operation,
                               std::span<const int> peers);
// "...: rank 1 left: <reason>"
[[noreturn]] void ThrowLeft(const RankSettings& settings, const Operation& operation, int peer,
                            const std::string& reason);

}  // namespace tandem
