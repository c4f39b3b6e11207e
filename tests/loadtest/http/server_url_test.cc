#include "loadtest/http/server_url.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

TEST(ServerUrl, ReadsHostPortAndPrefix) {
  const ServerUrl plain = ParseServerUrl("http://127.0.0.1:8000");
  EXPECT_FALSE(plain.is_secure);
  EXPECT_EQ(plain.host, "127.0.0.1");
  EXPECT_EQ(plain.port, 8000);
  EXPECT_EQ(plain.base_path, "");
  EXPECT_EQ(plain.Text(), "http://127.0.0.1:8000");
  const ServerUrl secure = ParseServerUrl("https://api.example/models/v1/");
  EXPECT_TRUE(secure.is_secure);
  EXPECT_EQ(secure.port, 443);
  EXPECT_EQ(secure.base_path, "/models");
  EXPECT_EQ(secure.HostHeader(), "api.example");
  const ServerUrl six = ParseServerUrl("http://[::1]:81");
  EXPECT_EQ(six.host, "::1");
  EXPECT_EQ(six.HostHeader(), "[::1]:81");
}

TEST(ServerUrl, NamesWhatIsWrong) {
  const auto message = [](const char* url) {
    return MessageOf<ConfigError>([&] { ParseServerUrl(url); });
  };
  EXPECT_TRUE(Contains(message("localhost:8000"), "does not begin with http://"));
  EXPECT_TRUE(Contains(message("http://"), "names no host"));
  EXPECT_TRUE(Contains(message("http://a:0"), "ports are 1 to 65535"));
  EXPECT_TRUE(Contains(message("http://a:70000"), "\"70000\""));
  EXPECT_TRUE(Contains(message("http://me:secret@a"), "--api-key"));
  EXPECT_TRUE(Contains(message("http://[::1"), "without its ]"));
  EXPECT_TRUE(Contains(message("http://a/b?c"), "has a query"));
  EXPECT_TRUE(Contains(message("http://a b"), "a space"));
}

}  // namespace
}  // namespace tandem
