#pragma once
// The HTTP server: one I/O thread that accepts connections and runs them. Its functions may be
// called from any thread but the I/O thread.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "api/http/handler.h"
#include "api/http/limits.h"

namespace tandem {

struct HttpAddress {
  std::string host = "127.0.0.1";  // a name or an address, IPv4 or IPv6
  uint16_t port = 0;               // 0: any free one
};

class HttpServer {
 public:
  // Binds and listens, then starts the thread; ConfigError when the address cannot be had.
  // `handler` outlives the server.
  HttpServer(const HttpAddress& address, const HttpLimits& limits, HttpHandler& handler);
  ~HttpServer();  // Stop

  uint16_t port() const;
  // Accepts no more, closes idle connections and waits for the others to finish their answers.
  // False when some were still running at the deadline.
  bool Finish(std::chrono::steady_clock::time_point deadline);
  // Drops everything and ends the thread.
  void Stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tandem
