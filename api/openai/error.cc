#include "api/openai/error.h"

#include "api/openai/json_text.h"

namespace tandem {

namespace {

void AppendNullable(const std::optional<std::string>& text, std::string& out) {
  if (text) {
    AppendJsonString(*text, out);
  } else {
    out.append("null");
  }
}

}  // namespace

std::string RenderError(const ApiError& error) {
  std::string out = R"({"error":{"message":)";
  AppendJsonString(error.message, out);
  out.append(R"(,"type":)");
  AppendJsonString(error.type, out);
  out.append(R"(,"param":)");
  AppendNullable(error.param, out);
  out.append(R"(,"code":)");
  AppendNullable(error.code, out);
  out.append("}}");
  return out;
}

HttpResponse ErrorResponse(const ApiError& error) {
  HttpResponse response;
  response.status = error.status;
  response.body = RenderError(error);
  if (error.retry_after_seconds) {
    response.headers.push_back({"Retry-After", std::to_string(*error.retry_after_seconds)});
  }
  return response;
}

ApiError ErrorOfStatus(int status, std::string_view message) {
  ApiError error{.status = status, .message = std::string(message)};
  switch (status) {
    case 401:
      error.code = "invalid_api_key";
      break;
    case 404:
      error.code = "not_found";
      break;
    case 405:
      error.code = "method_not_allowed";
      break;
    case 429:
      error.type = "rate_limit_error";
      error.code = "rate_limit_exceeded";
      error.retry_after_seconds = 1;
      break;
    case 503:
      error.type = "server_error";
      error.code = "overloaded";
      error.retry_after_seconds = 1;
      break;
    default:
      if (status >= 500) error.type = "server_error";
      break;
  }
  return error;
}

}  // namespace tandem
