#pragma once
// The socket that accepts clients: TCP, or a Unix socket with its file. Owned by HttpServer; I/O
// thread only, once constructed.

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

#include "api/http/server.h"

namespace tandem {

class Listener {
 public:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

  // Binds and listens; ConfigError. A socket file that nobody listens on any more is replaced.
  Listener(boost::asio::io_context& io, const HttpAddress& address);
  ~Listener();

  Acceptor& acceptor() { return acceptor_; }
  uint16_t port() const { return port_; }  // 0 for a Unix socket
  void Close();                            // and removes the socket's file

 private:
  Acceptor acceptor_;
  std::filesystem::path unix_socket_;
  uint16_t port_ = 0;
};

}  // namespace tandem
