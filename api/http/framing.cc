#include "api/http/framing.h"

#include <algorithm>
#include <cstdint>
#include <string>

namespace tandem {

namespace {

struct Occurrences {
  int64_t count = 0;
  std::string_view value;  // of the last one
};

Occurrences FindAll(const HttpRequest& request, std::string_view name) {
  Occurrences found;
  for (const HttpHeader& header : request.headers) {
    if (!EqualsIgnoringCase(header.name, name)) continue;
    ++found.count;
    found.value = header.value;
  }
  return found;
}

HttpFault BadRequest(std::string message) { return HttpFault{400, std::move(message)}; }

bool EndsInChunked(std::string_view codings) {
  const size_t comma = codings.rfind(',');
  std::string_view last = comma == std::string_view::npos ? codings : codings.substr(comma + 1);
  const size_t first = last.find_first_not_of(" \t");
  if (first != std::string_view::npos) last.remove_prefix(first);
  return EqualsIgnoringCase(last, "chunked");
}

std::optional<HttpFault> CheckTransferEncoding(const HttpRequest& request, const Occurrences& found,
                                               bool has_length) {
  if (has_length) return BadRequest("Transfer-Encoding and Content-Length in one request");
  if (request.http10) return BadRequest("Transfer-Encoding in an HTTP/1.0 request");
  if (found.count > 1) return BadRequest("more than one Transfer-Encoding header");
  if (EqualsIgnoringCase(found.value, "chunked")) return std::nullopt;
  if (!EndsInChunked(found.value)) return BadRequest("Transfer-Encoding does not end in chunked");
  return HttpFault{501, "the only supported Transfer-Encoding is chunked"};
}

}  // namespace

std::optional<HttpFault> CheckRequestLine(std::string_view input, const HttpLimits& limits) {
  constexpr char kTlsHandshake = 0x16;
  if (input.empty()) return std::nullopt;
  if (input.front() == kTlsHandshake) {
    return BadRequest("this port speaks HTTP without TLS; use http://");
  }
  const char lower = static_cast<char>(input.front() | 0x20);
  if (lower < 'a' || lower > 'z') {
    return BadRequest("malformed request: it does not begin with a method");
  }
  const size_t end = input.find('\n');
  if (end == std::string_view::npos && input.size() <= limits.max_header_bytes) return std::nullopt;
  if (end > limits.max_header_bytes) {
    return HttpFault{414, "the request line is longer than the limit of " +
                              std::to_string(limits.max_header_bytes) + " bytes for a head"};
  }
  const std::string_view line = input.substr(0, end);
  if (!line.ends_with('\r')) return BadRequest("the request line ends in a bare LF");
  if (line.find(" HTTP/") == std::string_view::npos) {
    return BadRequest("malformed request: its first line names no version of HTTP");
  }
  return std::nullopt;
}

std::optional<HttpFault> CheckRawHead(std::string_view head) {
  for (size_t i = 0; i < head.size(); ++i) {
    const char c = head[i];
    if (c == '\0') return BadRequest("NUL in the request's head");
    if (c == '\n' && (i == 0 || head[i - 1] != '\r')) return BadRequest("bare LF in the head");
    if (c != '\r') continue;
    if (i + 1 >= head.size() || head[i + 1] != '\n') return BadRequest("bare CR in the head");
    if (i + 2 < head.size() && (head[i + 2] == ' ' || head[i + 2] == '\t')) {
      return BadRequest("folded header line");
    }
  }
  return std::nullopt;
}

std::optional<HttpFault> CheckFraming(const HttpRequest& request, const HttpLimits& limits) {
  if (request.headers.size() > limits.max_headers) {
    return HttpFault{431, "more than " + std::to_string(limits.max_headers) + " headers"};
  }
  const Occurrences host = FindAll(request, "Host");
  if (host.count > 1) return BadRequest("more than one Host header");
  if (host.count == 0 && !request.http10) return BadRequest("Host header missing");

  const Occurrences length = FindAll(request, "Content-Length");
  if (length.count > 1) return BadRequest("more than one Content-Length header");
  const bool digits =
      !length.value.empty() && std::all_of(length.value.begin(), length.value.end(),
                                           [](char c) { return c >= '0' && c <= '9'; });
  if (length.count == 1 && !digits) return BadRequest("Content-Length is not a number");

  const Occurrences encoding = FindAll(request, "Transfer-Encoding");
  if (encoding.count > 0) return CheckTransferEncoding(request, encoding, length.count > 0);
  return std::nullopt;
}

}  // namespace tandem
