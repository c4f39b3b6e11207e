#include "loadtest/http/request_message.h"

#include <fmt/format.h>

namespace tandem {

std::string RequestMessage(const RequestHead& head, std::string_view json) {
  std::string message =
      fmt::format("{} {}{} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\n", json.empty() ? "GET" : "POST",
                  head.url.base_path, head.path, head.url.HostHeader());
  if (!head.api_key.empty()) message += fmt::format("Authorization: Bearer {}\r\n", head.api_key);
  if (!head.request_id.empty()) message += fmt::format("x-request-id: {}\r\n", head.request_id);
  if (!json.empty()) {
    message += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", json.size());
  }
  return message.append("\r\n").append(json);
}

}  // namespace tandem
