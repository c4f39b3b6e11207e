#pragma once
// RawClient over TLS. It trusts whatever certificate it is shown.

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>

#include <array>
#include <memory>
#include <string>

#include "tests/api/support/raw_client.h"

namespace tandem {

class TlsClient : public RawClient {
 public:
  explicit TlsClient(uint16_t port, int newest_version = TLS1_3_VERSION)
      : RawClient(port), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    ::signal(SIGPIPE, SIG_IGN);                     // OpenSSL's socket writes may raise it
    SSL_CTX_set_security_level(context_.get(), 0);  // so that old versions can be offered
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_.get(), newest_version);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), socket());
  }
  void Offer(const std::string& alpn) {  // length-prefixed names
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                        static_cast<unsigned>(alpn.size()));
  }
  bool Handshake() { return SSL_connect(ssl_.get()) == 1; }

  std::string version() const { return SSL_get_version(ssl_.get()); }
  std::string chosen_protocol() const {
    const unsigned char* data = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &data, &size);
    return std::string(reinterpret_cast<const char*>(data), size);
  }
  std::string common_name() const {
    const std::unique_ptr<X509, void (*)(X509*)> shown(SSL_get1_peer_certificate(ssl_.get()),
                                                       X509_free);
    std::array<char, 128> text{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, text.data(),
                              static_cast<int>(text.size()));
    return text.data();
  }
  bool SendCloseNotify() { return SSL_shutdown(ssl_.get()) >= 0; }
  bool saw_close_notify() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }

 protected:
  ssize_t SendSome(std::string_view bytes) override {
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  }
  ssize_t ReceiveSome(std::span<char> to) override {
    ERR_clear_error();
    return SSL_read(ssl_.get(), to.data(), static_cast<int>(to.size()));
  }

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, FreeSsl> ssl_;
};

}  // namespace tandem
