#include "api/http/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr size_t kMaxFileBytes = 1 << 20;

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free>>;
using CertificatePtr = std::unique_ptr<X509, Deleter<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

// What OpenSSL last complained about, in its words.
std::string Reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return reason ? reason : "unknown error";
}

std::string ReadFile(const std::string& option, const std::filesystem::path& path) {
  const std::string name = option + " " + path.string();
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw ConfigError(name + (error ? " cannot be read: " + error.message() : " is not a file"));
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw ConfigError(name + " cannot be read: " + std::strerror(errno));
  if (std::filesystem::file_size(path, error) > kMaxFileBytes) {
    throw ConfigError(name + " is larger than 1 MiB, so it is no PEM file of a certificate or key");
  }
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

BioPtr MemoryBio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

void UseCertificates(const TlsFiles& files, SSL_CTX* context) {
  const std::string name = "--ssl-certfile " + files.certificate.string();
  const std::string text = ReadFile("--ssl-certfile", files.certificate);
  const BioPtr bio = MemoryBio(text);
  const CertificatePtr own(PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr));
  if (!own) {
    throw ConfigError(
        name + " has no certificate in PEM form ('-----BEGIN CERTIFICATE-----'): " + Reason());
  }
  if (SSL_CTX_use_certificate(context, own.get()) != 1) {
    throw ConfigError(name + " cannot be used: " + Reason());
  }
  while (true) {
    const CertificatePtr next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) {
      throw ConfigError(name + " has a certificate in its chain that cannot be used: " + Reason());
    }
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end) throw ConfigError(name + " has a damaged certificate in its chain: " + Reason());
  ERR_clear_error();
}

// What OpenSSL asks for a password; without one it would ask at the terminal.
struct Password {
  const std::string& text;
  bool was_asked = false;
};

int GivePassword(char* to, int size, int /*writing*/, void* data) {
  auto& password = *static_cast<Password*>(data);
  password.was_asked = true;
  if (password.text.empty() || password.text.size() > static_cast<size_t>(size)) return -1;
  std::copy(password.text.begin(), password.text.end(), to);
  return static_cast<int>(password.text.size());
}

void UseKey(const TlsFiles& files, SSL_CTX* context) {
  const std::string name = "--ssl-keyfile " + files.key.string();
  const std::string text = ReadFile("--ssl-keyfile", files.key);
  const BioPtr bio = MemoryBio(text);
  Password password{files.key_password};
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, GivePassword, &password));
  if (!key && password.was_asked) {
    throw ConfigError(name + (files.key_password.empty()
                                  ? " is encrypted; give --ssl-keyfile-password"
                                  : " does not open with --ssl-keyfile-password"));
  }
  if (!key) {
    throw ConfigError(
        name + " has no private key in PEM form ('-----BEGIN PRIVATE KEY-----'): " + Reason());
  }
  const bool used = SSL_CTX_use_PrivateKey(context, key.get()) == 1;
  if (!used || SSL_CTX_check_private_key(context) != 1) {
    throw ConfigError(name + " does not belong to the certificate in --ssl-certfile " +
                      files.certificate.string() + ": " + Reason());
  }
}

}  // namespace

void UseTlsFiles(const TlsFiles& files, SSL_CTX* context) {
  ERR_clear_error();
  UseCertificates(files, context);
  UseKey(files, context);
}

}  // namespace tandem
