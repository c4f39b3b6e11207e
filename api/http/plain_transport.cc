#include <sys/socket.h>

#include <cerrno>

#include "api/http/transport.h"

namespace tandem {

namespace {

// MSG_NOSIGNAL: a client that has gone is no reason for SIGPIPE.
constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

class PlainTransport : public Transport {
 public:
  explicit PlainTransport(int socket) : socket_(socket) {}

  Status Handshake() override { return Status::kDone; }
  Result Read(std::span<char> to) override {
    const ssize_t size = ::recv(socket_, to.data(), to.size(), kFlags);
    if (size > 0) return {Status::kDone, static_cast<size_t>(size)};
    if (size == 0) return {Status::kClosed};
    return {WouldBlock() ? Status::kWantRead : Status::kFailed};
  }
  Result Write(std::string_view from) override {
    const ssize_t size = ::send(socket_, from.data(), from.size(), kFlags);
    if (size > 0) return {Status::kDone, static_cast<size_t>(size)};
    return {size < 0 && WouldBlock() ? Status::kWantWrite : Status::kFailed};
  }
  bool HasBufferedInput() const override { return false; }
  void EndOutput() override {}

 private:
  int socket_;
};

}  // namespace

std::unique_ptr<Transport> MakePlainTransport(int socket) {
  return std::make_unique<PlainTransport>(socket);
}

}  // namespace tandem
