#pragma once
// How processes of a job find each other: rank 0 listens at an address that all know, the others
// come to it once, and each leaves with a text from every rank. Nothing of it stays open. Owned by
// the thread that makes a communicator; a transport brings its own addresses through it.
//
// What comes in is checked before it is believed: strangers (port scanners, programs of other
// kinds) are turned away without harm, ranks of another job are told so. There is no
// authentication: rank 0 listens at its address alone, which belongs into a network that is
// trusted.

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "kernels/comm/transport.h"

namespace tandem {

struct RendezvousSettings {
  RankSettings rank;
  std::string address = "127.0.0.1";  // of rank 0: a name or a number; not "all addresses"
  int port = 29500;                   // [1, 65535]
  std::string job;  // the same on all ranks; tells jobs apart that meet at one port
};

class Socket {
 public:
  explicit Socket(int descriptor = -1) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Socket();
  int descriptor() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

class TcpRendezvous {
 public:
  // Rank 0 listens from here on; another returns when it has reached it. ConfigError for settings
  // that cannot be, DeviceError when the time is over.
  explicit TcpRendezvous(const RendezvousSettings& settings);

  // A numeric address of this machine that rank 0's machine reaches.
  const std::string& own_address() const { return own_address_; }

  // Every rank's text (up to 1 MiB), by rank. Once. ConfigError when the ranks are not of one job.
  std::vector<std::string> AllGather(const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;

  std::vector<std::string> Collect(const Socket& listener, const std::string& text);
  std::vector<std::string> Ask(const Socket& master, const std::string& text);

  RendezvousSettings settings_;
  Clock::time_point deadline_;
  Socket socket_;  // rank 0: listens. Others: connected to it
  std::string own_address_;
};

}  // namespace tandem
