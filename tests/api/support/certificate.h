#pragma once
// Certificates for tests: made on the spot, signed by themselves, good for "localhost". Nothing of
// the kind is committed.

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace tandem {

struct PemPair {
  std::string certificate;
  std::string key;
};

namespace certificate_detail {

template <typename Write>
std::string ToPem(Write write) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), BIO_free);
  write(bio.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

}  // namespace certificate_detail

// `password` encrypts the key unless it is empty.
inline PemPair MakeCertificate(const std::string& common_name = "localhost",
                               const std::string& password = "") {
  using certificate_detail::ToPem;
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> certificate(X509_new(), X509_free);
  X509* x509 = certificate.get();
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x509), 24 * 3600);
  X509_set_pubkey(x509, key.get());
  X509_NAME* name = X509_get_subject_name(x509);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(x509, name);
  X509_sign(x509, key.get(), EVP_sha256());
  const EVP_CIPHER* cipher = password.empty() ? nullptr : EVP_aes_128_cbc();
  return {ToPem([&](BIO* bio) { PEM_write_bio_X509(bio, x509); }), ToPem([&](BIO* bio) {
            PEM_write_bio_PKCS8PrivateKey(bio, key.get(), cipher, password.data(),
                                          static_cast<int>(password.size()), nullptr, nullptr);
          })};
}

}  // namespace tandem
