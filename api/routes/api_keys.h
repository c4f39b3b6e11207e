#pragma once
// Who may use the API. Only hashes of keys are kept, and comparing takes the same time whatever the
// difference. Immutable after construction.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/message.h"

namespace tandem {

class ApiKeys {
 public:
  // No keys: everybody may. ConfigError for an empty key, and for one that no header could carry:
  // all characters are visible ASCII. The message does not show the key.
  explicit ApiKeys(const std::vector<std::string>& keys);

  bool required() const { return !hashes_.empty(); }

  struct Tenant {
    uint64_t salt = 0;  // keeps tenants' prefixes apart in the cache; 0 where no key is required
  };
  // From `Authorization: Bearer` or `x-api-key`; none when the key is missing or unknown.
  std::optional<Tenant> Authenticate(const HttpRequest& request) const;

 private:
  using Hash = std::array<unsigned char, 32>;  // SHA-256
  std::vector<Hash> hashes_;
};

// The salt of a prefix cache that `tenant` and the client's own salt share with nobody else. A
// client's salt alone is no boundary, so the tenant's always enters.
uint64_t CombineSalt(uint64_t tenant, std::string_view client_salt);

}  // namespace tandem
