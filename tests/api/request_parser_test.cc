#include "api/http/request_parser.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

// The fault's status of head and body, 0 when the request is read, -1 when the body is not over.
struct Parsed {
  int status = 0;
  HttpRequest request;
  std::string message;
};

Parsed Parse(const std::string& head, std::string body = "", HttpLimits limits = {}) {
  Parsed parsed;
  RequestParser parser(limits);
  auto fault = parser.ParseHead(head + "\r\n", parsed.request);
  if (!fault && !parser.body_done() && !body.empty()) fault = parser.PutBody(body);
  if (fault) {
    parsed.status = fault->status;
    parsed.message = fault->message;
  } else if (!parser.body_done()) {
    parsed.status = -1;
  } else {
    parsed.request.body = parser.TakeBody();
  }
  return parsed;
}

std::string Post(const std::string& headers) { return "POST /x HTTP/1.1\r\nHost: a\r\n" + headers; }

TEST(RequestParser, ReadsAPlainRequest) {
  const Parsed parsed = Parse("GET /v1/models?limit=3#part HTTP/1.1\r\nHost: a\r\nX-Thing: 7\r\n");
  EXPECT_EQ(parsed.status, 0) << parsed.message;
  EXPECT_EQ(parsed.request.method, "GET");
  EXPECT_EQ(parsed.request.path, "/v1/models");
  EXPECT_EQ(parsed.request.query, "limit=3");
  EXPECT_EQ(parsed.request.Header("x-thing"), "7");
  EXPECT_TRUE(parsed.request.keep_alive);
}

TEST(RequestParser, TakesTheFormThatProxiesSend) {
  EXPECT_EQ(Parse("GET http://a:80/health HTTP/1.1\r\nHost: a:80\r\n").request.path, "/health");
  EXPECT_EQ(Parse("GET HTTPS://A HTTP/1.1\r\nHost: a\r\n").request.path, "/");
  const Parsed parsed = Parse("GET http://a?b=/c HTTP/1.1\r\nHost: a\r\n");
  EXPECT_EQ(parsed.request.path, "/");
  EXPECT_EQ(parsed.request.query, "b=/c");
}

TEST(RequestParser, ReadsBodiesWithALengthAndInChunks) {
  EXPECT_EQ(Parse(Post("Content-Length: 5\r\n"), "hello").request.body, "hello");
  EXPECT_EQ(Parse(Post("Transfer-Encoding: chunked\r\n"), "3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n")
                .request.body,
            "hello");
}

TEST(RequestParser, RefusesAmbiguousFraming) {
  struct Case {
    const char* what;
    std::string head;
    int status;
  };
  const Case cases[] = {
      {"both lengths", Post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"both, other order", Post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
      {"chunked in 1.0", "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 400},
      {"does not end in chunked", Post("Transfer-Encoding: chunked, gzip\r\n"), 400},
      {"unknown coding", Post("Transfer-Encoding: xchunked\r\n"), 400},
      {"identity", Post("Transfer-Encoding: identity\r\n"), 400},
      {"gzip first", Post("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {"chunked twice", Post("Transfer-Encoding: chunked, chunked\r\n"), 501},
      {"two headers", Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"vertical tab",
       Post("Transfer-Encoding: \x0b"
            "chunked\r\n"),
       400},
      {"two lengths", Post("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
      {"one length twice", Post("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
      {"list of lengths", Post("Content-Length: 5, 5\r\n"), 400},
      {"signed length", Post("Content-Length: +5\r\n"), 400},
      {"negative length", Post("Content-Length: -1\r\n"), 400},
      {"hexadecimal length", Post("Content-Length: 0x5\r\n"), 400},
      {"empty length", Post("Content-Length:\r\n"), 400},
      {"huge length", Post("Content-Length: 99999999999999999999\r\n"), 400},
      {"space before colon", Post("Content-Length : 5\r\n"), 400},
      {"folded line", Post("X: a\r\n b\r\n"), 400},
      {"folded encoding", Post("Transfer-Encoding:\r\n chunked\r\n"), 400},
      {"bare LF", Post("X: a\nContent-Length: 5\r\n"), 400},
      {"bare CR", Post("X: a\rContent-Length: 5\r\n"), 400},
      {"NUL", Post(std::string("X: a\0b\r\n", 8)), 400},
      {"no host", "GET / HTTP/1.1\r\n", 400},
      {"two hosts", Post("Host: b\r\n"), 400},
      {"version 2", "GET / HTTP/2.0\r\nHost: a\r\n", 505},
      {"no version", "GET /\r\nHost: a\r\n", 400},
      {"two names", "GET http://b/ HTTP/1.1\r\nHost: a\r\n", 400},
      {"user in the name", "GET http://a@b/ HTTP/1.1\r\nHost: b\r\n", 400},
      {"no name", "GET http:///x HTTP/1.1\r\nHost: a\r\n", 400},
      {"another scheme", "GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n", 400},
      {"authority", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n", 400},
      {"no path", "GET x HTTP/1.1\r\nHost: a\r\n", 400},
      {"unknown expectation", Post("Expect: tea\r\nContent-Length: 1\r\n"), 417},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Parse(c.head).status, c.status) << c.what << ": " << Parse(c.head).message;
  }
}

TEST(RequestParser, RefusesBodiesAboveTheLimitBeforeReadingThem) {
  HttpLimits limits;
  limits.max_body_bytes = 10;
  EXPECT_EQ(Parse(Post("Content-Length: 10\r\n"), "0123456789", limits).status, 0);
  EXPECT_EQ(Parse(Post("Content-Length: 11\r\n"), "", limits).status, 413);
  EXPECT_EQ(Parse(Post("Transfer-Encoding: chunked\r\n"), "8\r\n01234567\r\n8\r\n", limits).status,
            413);
  EXPECT_EQ(Parse(Post("Transfer-Encoding: chunked\r\n"), "ffffffffffffffff\r\nabc", limits).status,
            413);
}

TEST(RequestParser, RefusesMalformedChunks) {
  const char* bodies[] = {"z\r\nabc\r\n0\r\n\r\n",   "-1\r\nabc\r\n",
                          "3\r\nabcX\r\n0\r\n\r\n",  "3 \r\nabc\r\n0\r\n\r\n",
                          "0x3\r\nabc\r\n0\r\n\r\n", "10000000000000003\r\nabc\r\n0\r\n\r\n"};
  for (const char* body : bodies) {
    EXPECT_EQ(Parse(Post("Transfer-Encoding: chunked\r\n"), body).status, 400) << body;
  }
}

TEST(RequestParser, RefusesOversizedAndTooManyChunkHeaders) {
  HttpLimits limits;
  limits.max_chunk_header_bytes = 64;
  const std::string head = Post("Transfer-Encoding: chunked\r\n");
  const std::string name(100, 'a');
  EXPECT_EQ(Parse(head, "1;" + name + "\r\nx\r\n0\r\n\r\n", limits).status, 400);
  EXPECT_EQ(Parse(head, "1;" + name, limits).status, 400) << "unfinished header";
  EXPECT_EQ(Parse(head, "0\r\nTrailer: " + name, limits).status, 400) << "unfinished trailer";
  EXPECT_EQ(Parse(head, "0\r\nTrailer: " + name + "\r\n\r\n", limits).status, 400)
      << "whole trailer";
  EXPECT_EQ(Parse(head, std::string(100, '0') + "1\r\nx\r\n0\r\n\r\n", limits).status, 400);
  limits.max_chunks = 3;
  EXPECT_EQ(Parse(head, "1\r\nx\r\n1\r\nx\r\n0\r\n\r\n", limits).status, 0);
  EXPECT_EQ(Parse(head, "1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n0\r\n\r\n", limits).status, 400);
}

TEST(RequestParser, RefusesTooManyHeaders) {
  std::string headers;
  for (int i = 0; i < 200; ++i) headers.append("X").append(std::to_string(i)).append(": 1\r\n");
  EXPECT_EQ(Parse("GET / HTTP/1.1\r\nHost: a\r\n" + headers).status, 431);
}

TEST(RequestParser, LeavesWhatFollowsTheBody) {
  HttpLimits limits;
  RequestParser parser(limits);
  HttpRequest request;
  ASSERT_FALSE(parser.ParseHead(Post("Content-Length: 3\r\n") + "\r\n", request));
  std::string input = "abcGET / HTTP/1.1\r\n";
  ASSERT_FALSE(parser.PutBody(input));
  EXPECT_TRUE(parser.body_done());
  EXPECT_EQ(input, "GET / HTTP/1.1\r\n");
}

TEST(RequestParser, ReadsChunksByteByByte) {
  HttpLimits limits;
  RequestParser parser(limits);
  HttpRequest request;
  ASSERT_FALSE(parser.ParseHead(Post("Transfer-Encoding: chunked\r\n") + "\r\n", request));
  std::string input;
  for (const char c : std::string("4;x=1\r\nwiki\r\n5\r\npedia\r\n0\r\nX: y\r\n\r\n")) {
    ASSERT_FALSE(parser.body_done());
    input.push_back(c);
    ASSERT_FALSE(parser.PutBody(input));
  }
  EXPECT_TRUE(parser.body_done());
  EXPECT_EQ(parser.TakeBody(), "wikipedia");
}

TEST(RequestParser, KnowsWhetherTheConnectionGoesOn) {
  EXPECT_FALSE(Parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n").request.keep_alive);
  EXPECT_FALSE(Parse("GET / HTTP/1.0\r\n").request.keep_alive);
  EXPECT_TRUE(Parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n").request.keep_alive);
}

TEST(RequestParser, AcceptsOnlySaneRequestIds) {
  EXPECT_TRUE(IsSaneRequestId("req-1:2.3_A"));
  EXPECT_FALSE(IsSaneRequestId(""));
  EXPECT_FALSE(IsSaneRequestId("a b"));
  EXPECT_FALSE(IsSaneRequestId("a\"b"));
  EXPECT_FALSE(IsSaneRequestId(std::string(129, 'a')));
}

}  // namespace
}  // namespace tandem
