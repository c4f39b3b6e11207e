#pragma once
// Certificates and keys from PEM files, with errors that say which file and why. Only for tls.cc:
// this header shows OpenSSL.

#include <openssl/ssl.h>

#include "api/http/tls.h"

namespace tandem {

// Puts certificate, chain and key into `context`; ConfigError.
void UseTlsFiles(const TlsFiles& files, SSL_CTX* context);

}  // namespace tandem
