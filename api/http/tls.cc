#include "api/http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "api/http/tls_files.h"
#include "kernels/core/check.h"

namespace tandem {

namespace {

constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

int SocketOf(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int SendBio(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(SocketOf(bio), data, static_cast<size_t>(size), kFlags);
  if (sent < 0 && WouldBlock()) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int ReceiveBio(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t received = ::recv(SocketOf(bio), data, static_cast<size_t>(size), kFlags);
  if (received < 0 && WouldBlock()) BIO_set_retry_read(bio);
  return static_cast<int>(received);
}

long ControlBio(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

// Not OpenSSL's own socket BIO: that one writes without MSG_NOSIGNAL. Not Asio's ssl::stream
// either: its four buffers of 17 KB stay with a connection, idle or not.
const BIO_METHOD* SocketMethod() {
  static const auto* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    CHECK(made != nullptr);
    BIO_meth_set_write(made, SendBio);
    BIO_meth_set_read(made, ReceiveBio);
    BIO_meth_set_ctrl(made, ControlBio);
    return made;
  }();
  return method;
}

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

class TlsTransport : public Transport {
 public:
  TlsTransport(SSL_CTX* context, int socket) : ssl_(SSL_new(context)) {
    BIO* bio = BIO_new(SocketMethod());
    CHECK(ssl_ != nullptr && bio != nullptr, socket);
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(socket)));
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_accept_state(ssl_.get());
  }

  Status Handshake() override {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) return Status::kDone;
    const int reason = ERR_GET_REASON(ERR_peek_error());
    const Status status = StatusOf(result);
    return status == Status::kFailed && reason == SSL_R_HTTP_REQUEST ? Status::kPlainHttp : status;
  }
  Result Read(std::span<char> to) override {
    ERR_clear_error();
    size_t size = 0;
    const int result = SSL_read_ex(ssl_.get(), to.data(), to.size(), &size);
    return {result == 1 ? Status::kDone : StatusOf(result), size};
  }
  Result Write(std::string_view from) override {
    ERR_clear_error();
    size_t size = 0;
    const int result = SSL_write_ex(ssl_.get(), from.data(), from.size(), &size);
    return {result == 1 ? Status::kDone : StatusOf(result), size};
  }
  bool HasBufferedInput() const override { return SSL_pending(ssl_.get()) > 0; }
  void EndOutput() override {
    if (failed_ || !SSL_is_init_finished(ssl_.get())) return;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }

 private:
  Status StatusOf(int result) {
    const int error = SSL_get_error(ssl_.get(), result);
    ERR_clear_error();
    switch (error) {
      case SSL_ERROR_WANT_READ:
        return Status::kWantRead;
      case SSL_ERROR_WANT_WRITE:
        return Status::kWantWrite;
      case SSL_ERROR_ZERO_RETURN:
        return Status::kClosed;
      default:
        failed_ = true;  // OpenSSL forbids SSL_shutdown from now on
        return Status::kFailed;
    }
  }

  std::unique_ptr<SSL, SslDeleter> ssl_;
  bool failed_ = false;
};

// A client that offers protocols and http/1.1 among them is told so; others go on without.
int SelectHttp(SSL* /*ssl*/, const unsigned char** chosen, unsigned char* chosen_size,
               const unsigned char* offered, unsigned offered_size, void* /*unused*/) {
  static constexpr unsigned char kProtocols[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* out = nullptr;
  const int result = SSL_select_next_proto(&out, chosen_size, kProtocols, sizeof(kProtocols),
                                           offered, offered_size);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *chosen = out;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

struct TlsContext::State {
  std::unique_ptr<SSL_CTX, SslDeleter> context{SSL_CTX_new(TLS_server_method())};
};

// Ciphers, curves and security level stay the defaults of the system's OpenSSL.
TlsContext::TlsContext(const TlsFiles& files) : state_(std::make_unique<State>()) {
  SSL_CTX* context = state_->context.get();
  CHECK(context != nullptr);
  CHECK(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // Buffers only while something is in them: most connections are idle most of the time.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets keep no state here
  SSL_CTX_set_alpn_select_cb(context, SelectHttp, nullptr);
  UseTlsFiles(files, context);
}

TlsContext::~TlsContext() = default;

std::unique_ptr<Transport> TlsContext::Accept(int socket) const {
  return std::make_unique<TlsTransport>(state_->context.get(), socket);
}

std::string TlsContext::valid_until() const {
  const X509* certificate = SSL_CTX_get0_certificate(state_->context.get());
  std::tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1) return "unknown";
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &time);
  return text.data();
}

}  // namespace tandem
