#include "loadtest/http/connection.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <type_traits>
#include <utility>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using Endpoints = std::vector<tcp::endpoint>;
using TlsStream = asio::ssl::stream<tcp::socket>;

namespace {

constexpr size_t kReadBytes = 8 << 10;

template <typename Stream>
class StreamConnection final : public ClientConnection {
 public:
  StreamConnection(Stream stream, const Endpoints& endpoints)
      : stream_(std::move(stream)), endpoints_(endpoints) {}

  void Send(std::string_view request, User* user) override {
    user_ = user;
    ++num_requests_;
    request_.assign(request);
    if (is_connected_) {
      Write();
    } else {
      Connect();
    }
  }
  void Release() override { user_ = nullptr; }
  void Close() override {
    user_ = nullptr;
    is_open_ = false;
    ErrorCode ignored;
    socket().set_option(asio::socket_base::linger(true, 0), ignored);
    socket().close(ignored);
  }
  bool is_open() const override { return is_open_; }
  int64_t num_requests() const override { return num_requests_; }

 private:
  static constexpr bool kIsTls = std::is_same_v<Stream, TlsStream>;

  tcp::socket& socket() {
    if constexpr (kIsTls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }
  auto Self() { return std::static_pointer_cast<StreamConnection>(shared_from_this()); }

  void Connect() {
    asio::async_connect(socket(), endpoints_,
                        [self = Self()](const ErrorCode& error, const tcp::endpoint&) {
                          if (error) return self->EndWith(End::kNotConnected, error);
                          self->Handshake();
                        });
  }
  void Handshake() {
    ErrorCode ignored;
    socket().set_option(tcp::no_delay(true), ignored);
    if constexpr (kIsTls) {
      stream_.async_handshake(asio::ssl::stream_base::client,
                              [self = Self()](const ErrorCode& error) {
                                if (error) return self->EndWith(End::kNotConnected, error);
                                self->Begin();
                              });
    } else {
      Begin();
    }
  }
  void Begin() {
    if (!is_open_) return;  // closed meanwhile
    is_connected_ = true;
    Write();
    Read();
  }

  // A failed write ends nothing: the server may have answered before it read all, and then that
  // answer comes; if not, reading fails too.
  void Write() {
    asio::async_write(stream_, asio::buffer(request_),
                      [self = Self()](const ErrorCode&, size_t) {});
  }

  void Read() {
    stream_.async_read_some(
        asio::buffer(buffer_),
        [self = Self()](const ErrorCode& error, size_t size) { self->OnRead(error, size); });
  }
  void OnRead(const ErrorCode& error, size_t size) {
    if (!is_open_) return;
    if (error) {
      const bool is_end = error == asio::error::eof || error == asio::ssl::error::stream_truncated;
      return EndWith(is_end ? End::kClosed : End::kFailed, error);
    }
    if (user_ == nullptr) return Close();
    user_->OnBytes({buffer_.data(), size});
    if (is_open_) Read();
  }

  void EndWith(End end, const ErrorCode& error) {
    if (!is_open_) return;
    User* const user = user_;
    Close();
    if (user != nullptr) user->OnEnd(end, error.message());
  }

  Stream stream_;
  const Endpoints& endpoints_;  // of the pool, which outlives the io_context's work
  User* user_ = nullptr;
  bool is_open_ = true;
  bool is_connected_ = false;
  int64_t num_requests_ = 0;
  std::string request_;
  std::array<char, kReadBytes> buffer_;
};

}  // namespace

struct ConnectionPool::Target {
  Target(asio::io_context& context, const ServerUrl& server) : io(context), url(server) {}

  asio::io_context& io;
  const ServerUrl url;
  Endpoints endpoints;
  std::optional<asio::ssl::context> tls;
};

ConnectionPool::ConnectionPool(asio::io_context& io, const ServerUrl& url, TlsCheck check)
    : target_(std::make_unique<Target>(io, url)) {
  ErrorCode error;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(url.host, std::to_string(url.port), error);
  for (const auto& entry : found) target_->endpoints.push_back(entry.endpoint());
  if (error || target_->endpoints.empty()) {
    throw ConfigError("--url " + Printable(url.Text()) + ": the host " + Quoted(url.host) +
                      " has no address (" + error.message() + "); check its name");
  }
  if (!url.is_secure) return;
  target_->tls.emplace(asio::ssl::context::tls_client);
  target_->tls->set_default_verify_paths();
  target_->tls->set_verify_mode(check == TlsCheck::kVerify ? asio::ssl::verify_peer
                                                           : asio::ssl::verify_none);
}

ConnectionPool::~ConnectionPool() = default;

std::shared_ptr<ClientConnection> ConnectionPool::Make() {
  if (!target_->tls) {
    return std::make_shared<StreamConnection<tcp::socket>>(tcp::socket(target_->io),
                                                           target_->endpoints);
  }
  TlsStream stream(target_->io, *target_->tls);
  SSL_set_tlsext_host_name(stream.native_handle(), target_->url.host.c_str());
  stream.set_verify_callback(asio::ssl::host_name_verification(target_->url.host));
  return std::make_shared<StreamConnection<TlsStream>>(std::move(stream), target_->endpoints);
}

std::shared_ptr<ClientConnection> ConnectionPool::Take() {
  while (!idle_.empty()) {
    std::shared_ptr<ClientConnection> connection = std::move(idle_.back());
    idle_.pop_back();
    if (connection->is_open()) return connection;
  }
  return Make();
}

void ConnectionPool::Give(std::shared_ptr<ClientConnection> connection) {
  connection->Release();
  idle_.push_back(std::move(connection));
}

}  // namespace tandem
