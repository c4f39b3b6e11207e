#pragma once
// How a connection's bytes get to its socket and back: as they are, or through TLS. Nothing here
// blocks; the Channel owns the socket, waits for it, and calls on the I/O thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace tandem {

class Transport {
 public:
  enum class Status : uint8_t {
    kDone,
    kWantRead,   // again when the socket can be read
    kWantWrite,  // again when the socket can be written
    kClosed,     // the peer's proper end: end of file, in TLS its close_notify
    kFailed,     // anything else, a TLS stream that ends without close_notify too
    kPlainHttp,  // Handshake: the peer speaks HTTP without TLS
  };
  struct Result {
    Status status = Status::kFailed;
    size_t size = 0;  // bytes moved, at least one, when done
  };

  virtual ~Transport() = default;

  virtual Status Handshake() = 0;
  virtual Result Read(std::span<char> to) = 0;
  virtual Result Write(std::string_view from) = 0;
  // Read would give something although the socket has nothing.
  virtual bool HasBufferedInput() const = 0;
  // Tells the peer that nothing more comes, as far as that goes without waiting. The socket stays
  // as it is.
  virtual void EndOutput() = 0;
};

// Borrows the socket, which is non-blocking or treated so.
std::unique_ptr<Transport> MakePlainTransport(int socket);

}  // namespace tandem
