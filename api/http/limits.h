#pragma once
// What one client may cost. Every read and write has a deadline; every size has a bound that is set
// before the first byte is parsed. Immutable while the server runs.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tandem {

struct HttpLimits {
  size_t max_header_bytes = 16 * 1024;  // request line and headers
  size_t max_headers = 100;
  size_t max_body_bytes = 8 * 1024 * 1024;
  size_t max_chunks = 65536;             // of a chunked body
  size_t max_chunk_header_bytes = 1024;  // size, extensions and trailers
  size_t max_connections = 4096;
  size_t max_pending_bytes =
      1024 * 1024;                    // written by a route, not yet taken by the client's socket
  size_t min_read_rate_bytes = 4096;  // a second, over an answer: who reads slower is cut off
  int send_buffer_bytes = 0;          // SO_SNDBUF; 0: the system's

  std::chrono::milliseconds handshake_timeout{10000};  // of TLS
  std::chrono::milliseconds idle_timeout{75000};       // between requests of a connection
  std::chrono::milliseconds header_timeout{10000};     // from the first byte to the empty line
  std::chrono::milliseconds body_timeout{60000};       // the whole body
  std::chrono::milliseconds write_timeout{30000};      // until the client reads a bit more
  std::chrono::milliseconds linger_timeout{2000};  // after a refusal, reading what is still sent
  std::chrono::milliseconds keep_alive_interval{15000};  // of comments in a silent stream; 0: none
};

}  // namespace tandem
