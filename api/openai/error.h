#pragma once
// OpenAI's error object: {"error": {"message", "type", "param", "code"}}, all four keys always.

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "api/http/message.h"

namespace tandem {

struct ApiError {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::optional<std::string> param;
  std::optional<std::string> code;
  std::optional<int> retry_after_seconds;  // also sent as Retry-After
};

// A request that cannot be answered. Routes throw it; the router makes the response.
class ApiFailure : public std::runtime_error {
 public:
  explicit ApiFailure(ApiError error)
      : std::runtime_error(error.message), error_(std::move(error)) {}
  const ApiError& error() const { return error_; }

 private:
  ApiError error_;
};

std::string RenderError(const ApiError& error);
HttpResponse ErrorResponse(const ApiError& error);

// The error for a bare HTTP status, with the type and code that clients expect for it.
ApiError ErrorOfStatus(int status, std::string_view message);

}  // namespace tandem
