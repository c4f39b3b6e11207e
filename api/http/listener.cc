#include "api/http/listener.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/system/system_error.hpp>
#include <cstring>

#include "kernels/core/error.h"

namespace tandem {

namespace asio = boost::asio;
using asio::ip::tcp;
using unix_domain = asio::local::stream_protocol;
using ErrorCode = boost::system::error_code;
using Endpoint = asio::generic::stream_protocol::endpoint;

namespace {

tcp::endpoint Resolve(asio::io_context& io, const HttpAddress& address) {
  ErrorCode error;
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    throw ConfigError("--host " + address.host +
                      " is no address of this machine: " + error.message());
  }
  return *found.begin();
}

unix_domain::endpoint UnixEndpoint(const std::filesystem::path& path) {
  try {
    return unix_domain::endpoint(path.string());
  } catch (const boost::system::system_error&) {
    throw ConfigError("--uds " + path.string() +
                      " is too long: the system allows 107 bytes for a socket's path");
  }
}

// A server that was killed leaves its file behind. Only a socket is ever removed.
void RemoveStaleSocket(asio::io_context& io, const unix_domain::endpoint& endpoint) {
  std::error_code missing;
  if (!std::filesystem::is_socket(endpoint.path(), missing)) return;
  unix_domain::socket probe(io);
  ErrorCode error;
  probe.connect(endpoint, error);
  if (error == asio::error::connection_refused) std::filesystem::remove(endpoint.path(), missing);
}

Listener::Acceptor Listen(asio::io_context& io, const Endpoint& endpoint, const std::string& what) {
  Listener::Acceptor acceptor(io);
  ErrorCode error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) throw ConfigError("cannot listen on " + what + ": " + error.message());
  return acceptor;
}

Listener::Acceptor ListenTcp(asio::io_context& io, const HttpAddress& address) {
  try {
    return Listen(io, Resolve(io, address), address.host + " port " + std::to_string(address.port));
  } catch (const ConfigError& error) {
    throw ConfigError(std::string(error.what()) + "; choose another with --host and --port");
  }
}

Listener::Acceptor ListenUnix(asio::io_context& io, const std::filesystem::path& path) {
  const unix_domain::endpoint endpoint = UnixEndpoint(path);
  RemoveStaleSocket(io, endpoint);
  return Listen(io, endpoint, "--uds " + path.string());
}

}  // namespace

Listener::Listener(asio::io_context& io, const HttpAddress& address)
    : acceptor_(address.unix_socket.empty() ? ListenTcp(io, address)
                                            : ListenUnix(io, address.unix_socket)),
      unix_socket_(address.unix_socket) {
  if (!unix_socket_.empty()) return;
  const Endpoint bound = acceptor_.local_endpoint();
  tcp::endpoint tcp_endpoint;
  std::memcpy(tcp_endpoint.data(), bound.data(), bound.size());
  port_ = tcp_endpoint.port();
}

Listener::~Listener() { Close(); }

void Listener::Close() {
  if (!acceptor_.is_open()) return;
  ErrorCode ignored;
  acceptor_.close(ignored);
  std::error_code missing;
  if (!unix_socket_.empty()) std::filesystem::remove(unix_socket_, missing);
}

}  // namespace tandem
