#include "api/http/response_head.h"

#include <array>
#include <charconv>
#include <ctime>

namespace tandem {

namespace {

// RFC 9110 5.6.7, always in GMT and English whatever the locale.
std::string HttpDate(std::time_t now) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm tm{};
  gmtime_r(&now, &tm);
  std::array<char, 64> text{};
  const int length = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                   kDays[static_cast<size_t>(tm.tm_wday)], tm.tm_mday,
                                   kMonths[static_cast<size_t>(tm.tm_mon)], tm.tm_year + 1900,
                                   tm.tm_hour, tm.tm_min, tm.tm_sec);
  return std::string(text.data(), static_cast<size_t>(length));
}

void AppendField(std::string_view name, std::string_view value, std::string& out) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

void AppendHead(const ResponseHead& head, std::string& out) {
  const HttpResponse& response = head.response;
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out.append(ReasonPhrase(response.status)).append("\r\n");
  AppendField("Date", HttpDate(std::time(nullptr)), out);
  if (!response.content_type.empty()) AppendField("Content-Type", response.content_type, out);
  for (const HttpHeader& header : response.headers) AppendField(header.name, header.value, out);
  for (const HttpHeader& header : head.headers) AppendField(header.name, header.value, out);
  if (!head.request_id.empty()) AppendField("x-request-id", head.request_id, out);
  // A 304 has no body, and a length would be taken as that of the answer it stands for.
  const bool has_body = response.status != 204 && response.status != 304;
  if (head.framing == BodyFraming::kLength && has_body) {
    AppendField("Content-Length", std::to_string(response.body.size()), out);
  }
  if (head.framing == BodyFraming::kChunked) AppendField("Transfer-Encoding", "chunked", out);
  AppendField("Connection", head.keep_alive ? "keep-alive" : "close", out);
  out.append("\r\n");
}

void AppendChunk(std::string_view bytes, std::string& out) {
  if (bytes.empty()) return;
  std::array<char, 20> size{};
  const auto end = std::to_chars(size.data(), size.data() + size.size(), bytes.size(), 16).ptr;
  out.append(size.data(), end).append("\r\n").append(bytes).append("\r\n");
}

}  // namespace tandem
