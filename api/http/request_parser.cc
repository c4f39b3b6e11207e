#include "api/http/request_parser.h"

#include <algorithm>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>

#include "api/http/framing.h"

namespace tandem {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

using ErrorCode = beast::error_code;

std::string ToString(beast::string_view text) { return std::string(text.data(), text.size()); }

HttpFault BodyTooLarge(const HttpLimits& limits) {
  return HttpFault{413, "the body is larger than the limit of " +
                            std::to_string(limits.max_body_bytes) + " bytes"};
}

HttpFault FromError(const ErrorCode& error, const HttpLimits& limits) {
  if (error == http::error::body_limit) return BodyTooLarge(limits);
  if (error == http::error::header_limit) {
    return HttpFault{431, "the request's head is larger than the limit of " +
                              std::to_string(limits.max_header_bytes) + " bytes"};
  }
  if (error == http::error::bad_version) return HttpFault{505, "only HTTP/1.0 and HTTP/1.1"};
  return HttpFault{400, "malformed request: " + error.message()};
}

struct Target {
  std::optional<std::string_view> authority;  // of the form that proxies get, "http://host/path"
  std::string_view rest;                      // path and query
};

Target SplitTarget(std::string_view target) {
  target = target.substr(0, target.find('#'));
  const size_t scheme = target.find("://");
  const bool is_http =
      scheme != std::string_view::npos && (EqualsIgnoringCase(target.substr(0, scheme), "http") ||
                                           EqualsIgnoringCase(target.substr(0, scheme), "https"));
  if (!is_http) return {std::nullopt, target};
  target.remove_prefix(scheme + 3);
  const size_t end = std::min(target.find_first_of("/?"), target.size());
  return {target.substr(0, end), target.substr(end)};
}

// Two names for one request are two requests to two readers (RFC 9112 3.2.2 prefers the target's).
std::optional<HttpFault> SetTarget(std::string_view whole, HttpRequest& request) {
  const Target target = SplitTarget(whole);
  const size_t question = std::min(target.rest.find('?'), target.rest.size());
  request.path = target.rest.substr(0, question);
  request.query = question == target.rest.size() ? "" : target.rest.substr(question + 1);
  if (!target.authority) return std::nullopt;
  if (request.path.empty()) request.path = "/";
  const std::string_view host = request.Header("Host");
  const bool has_host = !host.empty() || !request.http10;
  if (has_host && !EqualsIgnoringCase(host, *target.authority)) {
    return HttpFault{400, "the request target names another host than the Host header"};
  }
  return std::nullopt;
}

}  // namespace

struct RequestParser::State {
  http::request_parser<http::string_body> parser;
  size_t num_chunks = 0;
  bool read_chunk_header = false;  // by the last put
  std::function<void(std::uint64_t, beast::string_view, ErrorCode&)> on_chunk;
};

RequestParser::RequestParser(const HttpLimits& limits)
    : limits_(limits), state_(std::make_unique<State>()) {
  auto& parser = state_->parser;
  parser.header_limit(static_cast<std::uint32_t>(limits.max_header_bytes));
  parser.body_limit(limits.max_body_bytes);
  state_->on_chunk = [this](std::uint64_t, beast::string_view, ErrorCode& error) {
    state_->read_chunk_header = true;
    if (++state_->num_chunks > limits_.max_chunks) error = http::error::bad_chunk_extension;
  };
  parser.on_chunk_header(state_->on_chunk);
}

RequestParser::~RequestParser() = default;

std::optional<HttpFault> RequestParser::ParseWithBeast(std::string_view head) {
  ErrorCode error;
  state_->parser.eager(false);
  const size_t consumed = state_->parser.put(asio::buffer(head.data(), head.size()), error);
  if (error) return FromError(error, limits_);
  if (consumed != head.size() || !state_->parser.is_header_done()) {
    return HttpFault{400, "malformed request: the head does not end where it should"};
  }
  return std::nullopt;
}

std::optional<HttpFault> RequestParser::ParseHead(std::string_view head, HttpRequest& request) {
  if (auto fault = CheckRawHead(head)) return fault;
  const auto beast_fault = ParseWithBeast(head);
  const auto& message = state_->parser.get();
  request.method = ToString(message.method_string());
  for (const auto& field : message) {
    request.headers.push_back({ToString(field.name_string()), ToString(field.value())});
  }
  request.http10 = message.version() == 10;
  const auto target_fault = SetTarget(ToString(message.target()), request);
  if (beast_fault) return beast_fault;
  if (message.version() != 10 && message.version() != 11) {
    return HttpFault{505, "only HTTP/1.0 and HTTP/1.1"};
  }
  if (auto fault = CheckFraming(request, limits_)) return fault;
  if (target_fault) return target_fault;
  if (!request.path.starts_with('/') && !(request.path == "*" && request.method == "OPTIONS")) {
    return HttpFault{400, "the request target must be a path"};
  }
  request.keep_alive = message.keep_alive();
  const std::string_view expect = request.Header("Expect");
  if (!expect.empty() && !EqualsIgnoringCase(expect, "100-continue")) {
    return HttpFault{417, "the only supported expectation is 100-continue"};
  }
  expects_continue_ = !expect.empty() && !request.http10;
  return std::nullopt;
}

bool RequestParser::body_done() const { return state_->parser.is_done(); }

std::optional<HttpFault> RequestParser::PutBody(std::string& input) {
  std::string_view rest = input;
  std::optional<HttpFault> fault;
  // The parser is not eager: one put reads one chunk header (the last one with its trailers) or one
  // piece of data, so that a header's length is judged the same however its bytes arrive.
  bool needs_more = false;
  while (!fault && !needs_more && !rest.empty() && !body_done()) {
    ErrorCode error;
    state_->read_chunk_header = false;
    const size_t consumed = state_->parser.put(asio::buffer(rest.data(), rest.size()), error);
    rest.remove_prefix(consumed);
    needs_more = error == http::error::need_more;
    // Body bytes are always consumed: what waits is an unfinished chunk header or trailer.
    const size_t header_bytes =
        needs_more ? rest.size() : (state_->read_chunk_header ? consumed : 0);
    if (error && !needs_more) {
      fault = FromError(error, limits_);
    } else if (header_bytes > limits_.max_chunk_header_bytes) {
      fault = HttpFault{400, "a chunk header or trailer is larger than " +
                                 std::to_string(limits_.max_chunk_header_bytes) + " bytes"};
    }
  }
  input.erase(0, input.size() - rest.size());
  return fault;
}

std::string RequestParser::TakeBody() { return std::move(state_->parser.get().body()); }

bool IsSaneRequestId(std::string_view id) {
  if (id.empty() || id.size() > 128) return false;
  for (const char c : id) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!word && c != '.' && c != '_' && c != ':' && c != '-') return false;
  }
  return true;
}

}  // namespace tandem
