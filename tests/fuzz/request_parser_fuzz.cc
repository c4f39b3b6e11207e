// HTTP requests from bytes: a body arrives the same whole and byte by byte, limits hold, and what
// is accepted is written plainly and read back as the same request.

#include <algorithm>
#include <string>

#include "api/http/framing.h"
#include "api/http/request_parser.h"
#include "tests/fuzz/fuzz_target.h"

namespace tandem {
namespace {

constexpr HttpLimits kLimits{.max_header_bytes = 1024,
                             .max_headers = 8,
                             .max_body_bytes = 512,
                             .max_chunks = 6,
                             .max_chunk_header_bytes = 32};

struct Result {
  int status = 0;  // of the fault; 0: none so far
  bool complete = false;
  HttpRequest request;
  std::string rest;  // behind the body
};

// As Connection reads: the head at once, the body in pieces of `step` bytes.
Result Read(std::string_view bytes, size_t step) {
  Result result;
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos || end + 4 > kLimits.max_header_bytes) {
    result.status = 431;
    return result;
  }
  RequestParser parser(kLimits);
  auto fault = parser.ParseHead(bytes.substr(0, end + 4), result.request);
  bytes.remove_prefix(end + 4);
  while (!fault && !parser.body_done() && !bytes.empty()) {
    result.rest.append(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
    fault = parser.PutBody(result.rest);
  }
  if (fault) {
    result.status = fault->status;
    CHECK(fault->status >= 400 && fault->status < 600 && !fault->message.empty(), fault->status);
  } else if (parser.body_done()) {
    result.complete = true;
    result.request.body = parser.TakeBody();
    result.rest.append(bytes);
  }
  return result;
}

bool HasSameHead(const HttpRequest& a, const HttpRequest& b) {
  return a.method == b.method && a.path == b.path && a.query == b.query && a.http10 == b.http10 &&
         a.keep_alive == b.keep_alive &&
         std::equal(a.headers.begin(), a.headers.end(), b.headers.begin(), b.headers.end(),
                    [](const HttpHeader& left, const HttpHeader& right) {
                      return left.name == right.name && left.value == right.value;
                    });
}

std::string Plain(const HttpRequest& request) {
  std::string text = request.method + " " + request.path;
  if (!request.query.empty()) text += "?" + request.query;
  text += request.http10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n";
  for (const HttpHeader& header : request.headers)
    text += header.name + ": " + header.value + "\r\n";
  return text + "\r\n";
}

void CheckAccepted(const HttpRequest& request) {
  CHECK(request.path.starts_with('/') || request.path == "*", request.path);
  CHECK(request.headers.size() <= kLimits.max_headers);
  CHECK(request.body.size() <= kLimits.max_body_bytes, request.body.size());
  CHECK(!CheckFraming(request, kLimits));
  for (const HttpHeader& header : request.headers) {
    CHECK(!header.name.empty() && header.name.find_first_of(" \t:\r\n") == std::string::npos);
    CHECK(header.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  HttpRequest again;
  RequestParser parser(kLimits);
  const std::string plain = Plain(request);
  if (plain.size() > kLimits.max_header_bytes) return;  // "a:b" grows by a space
  const auto fault = parser.ParseHead(plain, again);
  CHECK(!fault, plain, fault ? fault->message : "");
  CHECK(HasSameHead(again, request), plain);
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const std::string_view bytes = AsText(data, size);
  const Result whole = Read(bytes, bytes.size());
  const Result bytewise = Read(bytes, 1);
  // What is never complete may be refused sooner in one of them: Beast waits for the end of a
  // quoted chunk extension, and charges the chunk to the body's limit each time it looks.
  CHECK(whole.complete == bytewise.complete && whole.request.body == bytewise.request.body);
  if (!whole.complete) return 0;
  CHECK(whole.rest == bytewise.rest);
  CheckAccepted(whole.request);
  return 0;
}
