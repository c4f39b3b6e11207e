#pragma once
// The HTTP server: one I/O thread that accepts connections and runs them. Its functions may be
// called from any thread but the I/O thread.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "api/http/handler.h"
#include "api/http/limits.h"
#include "api/http/tls.h"

namespace tandem {

struct HttpAddress {
  std::string host = "127.0.0.1";     // a name or an address, IPv4 or IPv6
  uint16_t port = 0;                  // 0: any free one
  std::filesystem::path unix_socket;  // where given: this instead of TCP
};

class HttpServer {
 public:
  static constexpr size_t kMaxRefusals = 64;  // connections above the limit that hear about it

  // Binds and listens, then starts the thread; ConfigError when the address cannot be had.
  // `handler` outlives the server. With `tls` all connections use it.
  HttpServer(const HttpAddress& address, const HttpLimits& limits, HttpHandler& handler,
             std::shared_ptr<const TlsContext> tls = nullptr);
  ~HttpServer();  // Stop

  uint16_t port() const;  // 0 for a Unix socket
  // For connections that are accepted from now on; not null, and only where the server began so.
  void ReplaceTls(std::shared_ptr<const TlsContext> tls);
  // Runs on the I/O thread, where the handler is called, and returns when it ran. Before Stop.
  void RunInside(std::function<void()> action);
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
