#include "api/routes/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <cstring>

#include "kernels/core/error.h"

namespace tandem {

namespace {

std::array<unsigned char, 32> Sha256(std::string_view text) {
  std::array<unsigned char, 32> hash{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  return hash;
}

uint64_t FirstWord(const std::array<unsigned char, 32>& hash) {
  uint64_t word = 0;
  std::memcpy(&word, hash.data(), sizeof(word));
  return word;
}

void CheckCharacters(const std::string& key, size_t index) {
  for (size_t i = 0; i < key.size(); ++i) {
    if (key[i] > ' ' && key[i] <= '~') continue;
    throw ConfigError("API key number " + std::to_string(index + 1) + " has at its character " +
                      std::to_string(i + 1) +
                      " a space or another character that no HTTP header carries; use visible "
                      "ASCII without spaces");
  }
}

std::string_view PresentedKey(const HttpRequest& request) {
  constexpr std::string_view kBearer = "bearer ";
  const std::string_view authorization = request.Header("Authorization");
  if (authorization.size() > kBearer.size() &&
      EqualsIgnoringCase(authorization.substr(0, kBearer.size()), kBearer)) {
    return authorization.substr(kBearer.size());
  }
  return request.Header("x-api-key");
}

}  // namespace

ApiKeys::ApiKeys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    if (key.empty()) throw ConfigError("--api-key is empty; give a key or leave the option out");
    CheckCharacters(key, hashes_.size());
    hashes_.push_back(Sha256(key));
  }
}

std::optional<ApiKeys::Tenant> ApiKeys::Authenticate(const HttpRequest& request) const {
  if (!required()) return Tenant{};
  const Hash presented = Sha256(PresentedKey(request));
  const Hash* match = nullptr;
  for (const Hash& hash : hashes_) {
    if (CRYPTO_memcmp(hash.data(), presented.data(), hash.size()) == 0) match = &hash;
  }
  if (match == nullptr) return std::nullopt;
  // Of the hash's hash: a salt that appears somewhere tells nothing about the key.
  const auto* bytes = reinterpret_cast<const char*>(match->data());
  return Tenant{FirstWord(Sha256(std::string_view(bytes, match->size())))};
}

uint64_t CombineSalt(uint64_t tenant, std::string_view client_salt) {
  if (client_salt.empty()) return tenant;
  std::string text(reinterpret_cast<const char*>(&tenant), sizeof(tenant));
  text.append(client_salt);
  return FirstWord(Sha256(text));
}

}  // namespace tandem
