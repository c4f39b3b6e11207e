#include "api/http/tls.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/api/support/certificate.h"
#include "tests/api/support/test_server.h"
#include "tests/api/support/tls_client.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;

constexpr char kGet[] = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr char kStream[] = R"({"prompt":"a","max_tokens":1000000,"ignore_eos":true,"stream":true})";

std::shared_ptr<const TlsContext> MakeTls(const std::string& common_name = "localhost") {
  const TemporaryDirectory folder;
  const PemPair pair = MakeCertificate(common_name);
  return std::make_shared<TlsContext>(TlsFiles{.certificate = folder.Write("c", pair.certificate),
                                               .key = folder.Write("k", pair.key)});
}

TEST(Tls, CarriesSeveralRequestsOfAConnection) {
  TestServer server({.tls = MakeTls()});
  TlsClient client(server.port());
  client.Offer("\x02h2\x08http/1.1");
  ASSERT_TRUE(client.Handshake());
  EXPECT_EQ(client.version(), "TLSv1.3");
  EXPECT_EQ(client.chosen_protocol(), "http/1.1");
  client.Send(std::string(kGet) + kGet);
  EXPECT_EQ(client.ReadResponse().body, R"({"status":"ok","queue_size":0,"gpu_memory":null})");
  EXPECT_EQ(client.ReadResponse().body, R"({"status":"ok","queue_size":0,"gpu_memory":null})");
  client.Send(TestServer::PostBytes(R"({"prompt":"a","stream":true})"));
  EXPECT_TRUE(client.ReadResponse().body.ends_with("data: [DONE]\n\n"));
  client.Send(TestServer::PostBytes(R"({"prompt":")" + std::string(500'000, 'x') + R"("})"));
  EXPECT_EQ(client.ReadResponse().status, 200) << "many records";
  for (const char c : std::string(kGet)) client.Send({&c, 1});
  EXPECT_EQ(client.ReadResponse().status, 200) << "a record for each byte";
}

TEST(Tls, GoesOnWithoutAProtocolThatItKnows) {
  TestServer server({.tls = MakeTls()});
  TlsClient client(server.port());
  client.Offer("\x02h2");
  ASSERT_TRUE(client.Handshake());
  EXPECT_EQ(client.chosen_protocol(), "");
}

TEST(Tls, IsOfVersion12AtLeast) {
  TestServer server({.tls = MakeTls()});
  EXPECT_FALSE(TlsClient(server.port(), TLS1_VERSION).Handshake());
  EXPECT_FALSE(TlsClient(server.port(), TLS1_1_VERSION).Handshake());
  TlsClient client(server.port(), TLS1_2_VERSION);
  ASSERT_TRUE(client.Handshake());
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().status, 200);
}

TEST(Tls, TellsAClientThatSpeaksPlainly) {
  TestServer server({.tls = MakeTls()});
  RawClient client = server.Connect();
  client.Send(kGet);
  const RawResponse response = client.ReadResponse();
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("https://"), std::string::npos);
  EXPECT_TRUE(client.SeesClose());
}

TEST(Tls, IsNamedToAClientOfAPlainPort) {
  TestServer server;
  TlsClient client(server.port());
  EXPECT_FALSE(client.Handshake());
  RawClient bytes = server.Connect();
  bytes.Send(std::string("\x16\x03\x01\x02", 4));
  EXPECT_EQ(bytes.ReadResponse().status, 400);
}

TEST(Tls, EndsAHandshakeThatDoesNotCome) {
  TestServer server({.limits = {.handshake_timeout = milliseconds(50)}, .tls = MakeTls()});
  RawClient silent = server.Connect();
  EXPECT_TRUE(silent.SeesEnd());
  RawClient unfinished = server.Connect();
  unfinished.Send(std::string("\x16\x03\x01\x02\x00\x01", 6));
  EXPECT_TRUE(unfinished.SeesEnd());
  RawClient garbage = server.Connect();
  garbage.Send(std::string(100, '\xff'));
  EXPECT_TRUE(garbage.SeesEnd());
  RawClient gone = server.Connect();
  gone.Send(std::string("\x16\x03\x01", 3));
  gone.Close();
  TlsClient good(server.port());
  EXPECT_TRUE(good.Handshake());
}

TEST(Tls, NeverTakesACutBodyForAWholeOne) {
  TestServer server({.tls = MakeTls()});
  for (const char* framing : {"Content-Length: 14", "Transfer-Encoding: chunked"}) {
    for (const bool proper : {true, false}) {
      TlsClient client(server.port());
      ASSERT_TRUE(client.Handshake());
      client.Send(std::string("POST /v1/completions HTTP/1.1\r\nHost: a\r\n") + framing +
                  "\r\n\r\n" + (framing[0] == 'T' ? "e\r\n" : "") + R"({"prompt":"a")");
      if (proper) client.SendCloseNotify();
      client.CloseSending();
      EXPECT_FALSE(client.Receive()) << framing;
    }
  }
  EXPECT_TRUE(server.engine.requests().empty());
}

TEST(Tls, EndsAWholeStreamProperlyAndACutOneNot) {
  const auto head = [](const std::string& body) {
    return "POST /v1/completions HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  };
  TestServer server({.tls = MakeTls()});
  TlsClient whole(server.port());
  ASSERT_TRUE(whole.Handshake());
  whole.Send(head(R"({"prompt":"a","stream":true})"));
  EXPECT_TRUE(whole.ReadResponse().body.ends_with("data: [DONE]\n\n"));
  EXPECT_TRUE(whole.saw_close_notify());

  TestServer stopped({.tls = MakeTls()});
  stopped.engine.endless = true;
  TlsClient cut(stopped.port());
  ASSERT_TRUE(cut.Handshake());
  cut.Send(head(kStream));
  ASSERT_TRUE(cut.ReceiveUntil("data: "));
  stopped.http().Stop();
  while (cut.Receive()) {
  }
  EXPECT_FALSE(cut.saw_close_notify());
}

TEST(Tls, NoticesAClientThatLeaves) {
  TestServer server({.tls = MakeTls()});
  server.engine.endless = true;
  for (const bool proper : {true, false}) {
    TlsClient client(server.port());
    ASSERT_TRUE(client.Handshake());
    client.Send(TestServer::PostBytes(kStream));
    ASSERT_TRUE(client.ReceiveUntil("data: "));
    if (proper) client.SendCloseNotify();
    client.Close();
    EXPECT_TRUE(server.engine.WaitForCancelled(proper ? 1 : 2));
  }
}

TEST(Tls, CutsOffAClientThatDoesNotRead) {
  TestServer server(
      {.limits = {.max_pending_bytes = 100'000, .send_buffer_bytes = 16 * 1024}, .tls = MakeTls()});
  server.engine.endless = true;
  TlsClient client(server.port());
  ASSERT_TRUE(client.Handshake());
  client.Send(TestServer::PostBytes(kStream));
  EXPECT_TRUE(server.engine.WaitForCancelled(1));
}

TEST(Tls, ShowsANewCertificateToNewConnections) {
  TestServer server({.tls = MakeTls("old.example")});
  TlsClient before(server.port());
  ASSERT_TRUE(before.Handshake());
  server.http().ReplaceTls(MakeTls("new.example"));
  TlsClient after(server.port());
  ASSERT_TRUE(after.Handshake());
  EXPECT_EQ(before.common_name(), "old.example");
  EXPECT_EQ(after.common_name(), "new.example");
  before.Send(kGet);
  EXPECT_EQ(before.ReadResponse().status, 200);
}

class TlsFilesTest : public testing::Test {
 protected:
  std::string Message(const std::filesystem::path& certificate, const std::filesystem::path& key,
                      const std::string& password = "") const {
    return MessageOf<ConfigError>([&] { TlsContext({certificate, key, password}); });
  }

  TemporaryDirectory folder_;
  PemPair pair_ = MakeCertificate();
  std::filesystem::path certificate_ = folder_.Write("cert.pem", pair_.certificate);
  std::filesystem::path key_ = folder_.Write("key.pem", pair_.key);
};

TEST_F(TlsFilesTest, MayBeOneFileWithAChain) {
  const PemPair issuer = MakeCertificate("issuer");
  const auto both = folder_.Write("both.pem", pair_.key + pair_.certificate + issuer.certificate);
  const TlsContext context({both, both, ""});
  EXPECT_EQ(context.valid_until().size(), std::string("2026-01-01T00:00:00Z").size());
}

TEST_F(TlsFilesTest, AreNamedWithWhatIsWrong) {
  const PemPair other = MakeCertificate();
  const auto text = folder_.Write("text.pem", "hello");
  const auto damaged = folder_.Write("damaged.pem", pair_.certificate +
                                                        "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                                        "-----END CERTIFICATE-----\n");
  EXPECT_TRUE(Contains(Message(folder_ / "none", key_), "--ssl-certfile"));
  EXPECT_TRUE(Contains(Message(folder_ / "none", key_), "none cannot be read: No such file"));
  EXPECT_TRUE(Contains(Message(folder_.path(), key_), "is not a file"));
  EXPECT_TRUE(Contains(Message(text, key_), "text.pem has no certificate in PEM form"));
  EXPECT_TRUE(Contains(Message(damaged, key_), "damaged certificate"));
  EXPECT_TRUE(Contains(Message(certificate_, folder_ / "none"), "--ssl-keyfile"));
  EXPECT_TRUE(Contains(Message(certificate_, text), "text.pem has no private key in PEM form"));
  EXPECT_TRUE(Contains(Message(certificate_, certificate_), "has no private key"));
  EXPECT_TRUE(Contains(Message(certificate_, folder_.Write("other.pem", other.key)),
                       "other.pem does not belong to the certificate in --ssl-certfile"));
}

TEST_F(TlsFilesTest, MayBeEncrypted) {
  const PemPair locked = MakeCertificate("localhost", "swordfish");
  const auto certificate = folder_.Write("locked.cert", locked.certificate);
  const auto key = folder_.Write("locked.key", locked.key);
  const TlsContext context({certificate, key, "swordfish"});
  EXPECT_TRUE(Contains(Message(certificate, key), "give --ssl-keyfile-password"));
  const std::string wrong = Message(certificate, key, "herring");
  EXPECT_TRUE(Contains(wrong, "does not open with --ssl-keyfile-password"));
  EXPECT_FALSE(Contains(wrong, "herring"));
}

}  // namespace
}  // namespace tandem
