// What db_conn says about a connection, on the servers: timeouts, TLS, character set.
#include "worker/source/connection.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

#include "proto/wire/error.h"
#include "tests/support/tls_files.h"
#include "tests/unit/source/server_fixture.h"

namespace chameleon::worker::source {
namespace {

using ::testing::HasSubstr;

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

class ConnectionTest : public ServerTest {};

// A server that takes the connection and never says a word.
TEST_P(ConnectionTest, ConnectTimeoutEndsASilentServer) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 8), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  v1::SourceConnection config;
  config.set_host("127.0.0.1");
  config.set_port(ntohs(address.sin_port));
  config.set_user("repl");
  for (const uint32_t timeout_s : {1u, 3u}) {
    config.set_connect_timeout_s(timeout_s);
    const auto begin = std::chrono::steady_clock::now();
    const auto connection = Connection::Open(config);
    EXPECT_EQ(connection.status().code(), absl::StatusCode::kUnavailable) << connection.status();
    EXPECT_GE(Seconds(begin), timeout_s * 0.9);
    EXPECT_LT(Seconds(begin), timeout_s + 5.0);
  }
  close(listener);
}

TEST_P(ConnectionTest, NetReadTimeoutEndsASilentStatement) {
  auto config = Config();
  config.set_net_read_timeout_s(1);
  auto connection = Connection::Open(config);
  ASSERT_TRUE(connection.ok()) << connection.status();
  EXPECT_EQ((*connection)->Exec("DO SLEEP(4)").code(), absl::StatusCode::kUnavailable);
  config.set_net_read_timeout_s(60);
  connection = Connection::Open(config);
  ASSERT_TRUE(connection.ok()) << connection.status();
  EXPECT_TRUE((*connection)->Exec("DO SLEEP(2)").ok());
}

// Values are taken as the columns have them; what the user writes here cannot bend them.
TEST_P(ConnectionTest, CharsetDoesNotChangeTheSession) {
  for (const char* charset : {"utf8", "latin1", "utf8mb4", ""}) {
    auto config = Config();
    config.set_charset(charset);
    auto connection = Connection::Open(config);
    ASSERT_TRUE(connection.ok()) << charset << ": " << connection.status();
    auto table = (*connection)->Query("SELECT @@character_set_client, HEX('ß€')");
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_EQ(table->Get(0, 0), "utf8mb4") << charset;
    EXPECT_EQ(table->Get(0, 1), "C39FE282AC") << charset;
  }
}

class TlsTest : public ServerTest {
 protected:
  // A server with a certificate for 127.0.0.1 and users that insist on TLS.
  void SetUp() override {
    ServerTest::SetUp();
    if (IsSkipped()) return;
    other_ca_ = tls_.Authority("other");
    tls_.Certificate("server");
    tls_.Certificate("client");
    server_ = test::StartSource(GetParam(),
                                {{"--ssl-ca=" + tls_.Pem("ca"), "--ssl-cert=" + tls_.Pem("server"),
                                  "--ssl-key=" + tls_.Key("server")}});
    auto root = server_->Connect();
    root.Exec("CREATE USER tls@'%' IDENTIFIED BY 'tls' REQUIRE SSL");
    root.Exec("CREATE USER x509@'%' IDENTIFIED BY 'x509' REQUIRE X509");
  }
  // "" or the error, of one line.
  std::string Try(const std::string& user, const std::string& mode, const std::string& ca = "",
                  bool with_certificate = false) {
    auto config = Config(*server_, user, user);
    config.set_ssl_mode(mode);
    config.set_ssl_ca(ca);
    if (with_certificate) {
      config.set_ssl_cert(tls_.Pem("client"));
      config.set_ssl_key(tls_.Key("client"));
    }
    auto connection = Connection::Open(config);
    if (!connection.ok()) {
      EXPECT_THAT(Text(connection.status()), HasSubstr("HINT: ")) << mode;
      return Text(connection.status());
    }
    const bool encrypted = (*connection)->encrypted();
    EXPECT_EQ((*connection)->Query("SHOW STATUS LIKE 'Ssl_cipher'")->Get(0, 1) != "", encrypted);
    return encrypted ? "encrypted" : "plain";
  }

  test::TlsFiles tls_;
  std::string other_ca_;
  std::unique_ptr<test::SourceServer> server_;
};

TEST_P(TlsTest, ModesAndCertificates) {
  EXPECT_EQ(Try("repl", "disabled"), "plain");
  EXPECT_THAT(Try("tls", "disabled"), HasSubstr("Access denied"));
  EXPECT_EQ(Try("tls", "required"), "encrypted");
  EXPECT_EQ(Try("tls", "verify_ca", tls_.Pem("ca")), "encrypted");
  EXPECT_EQ(Try("tls", "verify_identity", tls_.Pem("ca")), "encrypted");
  EXPECT_THAT(Try("tls", "verify_ca", other_ca_), HasSubstr("certificate"));
  EXPECT_THAT(Try("x509", "required"), HasSubstr("Access denied"));
  EXPECT_EQ(Try("x509", "verify_ca", tls_.Pem("ca"), true), "encrypted");
}

INSTANTIATE_ON_SERVERS(ConnectionTest);
INSTANTIATE_ON_SERVERS(TlsTest);

}  // namespace
}  // namespace chameleon::worker::source
