#pragma once
// The kinds of failure. Bugs are InternalError (thrown by CHECK); broken things outside us are
// FormatError, ConfigError or DeviceError; a bad request is InvalidRequest with its field.
// Expected outcomes (queue full, not found, cancelled) are return values, not errors.

#include <stdexcept>
#include <string>
#include <utility>

namespace tandem {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A bug of ours: an invariant did not hold.
class InternalError : public Error {
 public:
  using Error::Error;
};

// A file or a message from outside does not have the form it claims.
class FormatError : public Error {
 public:
  using Error::Error;
};

// A flag, a configuration key or a combination of them cannot be satisfied.
class ConfigError : public Error {
 public:
  using Error::Error;
};

// The device, or the memory of the machine, refused.
class DeviceError : public Error {
 public:
  using Error::Error;
};

// A client's request is wrong; `field` names the JSON field at fault.
class InvalidRequest : public Error {
 public:
  InvalidRequest(std::string field, const std::string& message)
      : Error(message), field_(std::move(field)) {}
  const std::string& field() const { return field_; }

 private:
  std::string field_;
};

}  // namespace tandem
