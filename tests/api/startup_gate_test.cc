#include "api/routes/startup_gate.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "api/http/server.h"
#include "tests/api/support/ok_handler.h"
#include "tests/api/support/raw_client.h"

namespace tandem {
namespace {

using nlohmann::json;

RawResponse Get(uint16_t port, const std::string& path) {
  RawClient client(port);
  client.Send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
  return client.ReadResponse();
}

TEST(StartupGate, AsksToWaitUntilTheRoutesAreThere) {
  std::ostringstream text;
  Logger log(LogLevel::kInfo, text);
  StartupGate gate(log);
  OkHandler inner;
  HttpServer server({}, {}, gate);
  for (const char* path : {"/ready", "/v1/models", "/nothing"}) {
    const RawResponse response = Get(server.port(), path);
    EXPECT_EQ(response.status, 503) << path;
    EXPECT_FALSE(response.Header("retry-after").empty());
    EXPECT_NE(response.body.find("loading"), std::string::npos);
    EXPECT_EQ(json::parse(response.body)["error"].size(), 4u);
  }
  EXPECT_EQ(Get(server.port(), "/health").status, 200) << "alive";
  server.RunInside([&] { gate.Open(inner); });
  EXPECT_EQ(Get(server.port(), "/v1/models").body, "{}");
}

TEST(StartupGate, RefusesABodyWithoutReadingIt) {
  std::ostringstream text;
  Logger log(LogLevel::kInfo, text);
  StartupGate gate(log);
  HttpServer server({}, {}, gate);
  RawClient client(server.port());
  client.Send("POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status, 503);
}

}  // namespace
}  // namespace tandem
