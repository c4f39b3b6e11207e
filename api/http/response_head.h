#pragma once
// The bytes of a response: status line, headers, and the framing of its body.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "api/http/message.h"

namespace tandem {

enum class BodyFraming : uint8_t {
  kLength,   // Content-Length
  kChunked,  // HTTP/1.1 streams
  kClose,    // until the connection closes: HTTP/1.0 streams
};

struct ResponseHead {
  const HttpResponse& response;
  std::string_view request_id;
  BodyFraming framing = BodyFraming::kLength;
  bool keep_alive = true;
  std::span<const HttpHeader> headers = {};  // besides the response's own
};

void AppendHead(const ResponseHead& head, std::string& out);
// One chunk of a chunked body; nothing for no bytes, as an empty chunk would end it.
void AppendChunk(std::string_view bytes, std::string& out);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace tandem
