#pragma once
// The client's side of one TCP or TLS connection that is kept alive between requests, and who makes
// them. Asio and OpenSSL stay in connection.cc. Everything runs on the thread of the io_context.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loadtest/http/server_url.h"

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace tandem {

// Shared by who uses it and by its outstanding operations.
class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
 public:
  enum class End : uint8_t { kNotConnected, kClosed, kFailed };

  // Whose request is on the connection. Both calls may begin another request, with any connection,
  // or let this one go.
  class User {
   public:
    virtual ~User() = default;
    virtual void OnBytes(std::string_view bytes) = 0;
    // Nothing more comes, and the connection has no user any more. `reason` is the system's.
    virtual void OnEnd(End end, const std::string& reason) = 0;
  };

  virtual ~ClientConnection() = default;
  // Connects first if it has not yet. The user stays until Release, Close or OnEnd.
  virtual void Send(std::string_view request, User* user) = 0;
  // It has no user now and waits for the next. What the server sends unasked closes it.
  virtual void Release() = 0;
  // Abortively, so that a server sees at once that nobody listens, and no port stays behind.
  virtual void Close() = 0;
  virtual bool is_open() const = 0;  // false after the server closed it
  virtual int64_t num_requests() const = 0;
};

enum class TlsCheck : uint8_t { kVerify, kSkip };

// Where requests get their connections from; tests have their own.
class ConnectionSource {
 public:
  virtual ~ConnectionSource() = default;
  virtual std::shared_ptr<ClientConnection> Take() = 0;  // idle, or a new one
  virtual std::shared_ptr<ClientConnection> Make() = 0;  // a new one
  virtual void Give(std::shared_ptr<ClientConnection> connection) = 0;
};

// Makes connections to one server and keeps those that are idle.
class ConnectionPool final : public ConnectionSource {
 public:
  // Resolves the name; ConfigError when it has no address.
  ConnectionPool(boost::asio::io_context& io, const ServerUrl& url, TlsCheck check);
  ~ConnectionPool() override;
  ConnectionPool(const ConnectionPool&) = delete;

  std::shared_ptr<ClientConnection> Take() override;
  std::shared_ptr<ClientConnection> Make() override;
  void Give(std::shared_ptr<ClientConnection> connection) override;

 private:
  struct Target;
  std::unique_ptr<Target> target_;
  std::vector<std::shared_ptr<ClientConnection>> idle_;
};

}  // namespace tandem
