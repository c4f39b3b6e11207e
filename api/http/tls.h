#pragma once
// The server's side of TLS: a certificate with its key, and a Transport for each connection that
// uses them. OpenSSL stays in tls.cc. Immutable; shared by the server and whoever replaces it. A
// connection keeps what it began with.

#include <filesystem>
#include <memory>
#include <string>

#include "api/http/transport.h"

namespace tandem {

struct TlsFiles {
  std::filesystem::path certificate;  // PEM: the server's own first, then what leads to the root
  std::filesystem::path key;          // PEM; may be the same file
  std::string key_password;           // empty: the key is not encrypted
};

class TlsContext {
 public:
  // ConfigError that names the file and what is wrong with it.
  explicit TlsContext(const TlsFiles& files);
  ~TlsContext();

  // Borrows the socket; outlives the context if it has to.
  std::unique_ptr<Transport> Accept(int socket) const;

  // Of the certificate, in UTC, for the log.
  std::string valid_until() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tandem
