// Who is let in over the network, and what the others are told: exact texts, logged once.
#include "coordinator/api/gate.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "chameleon/v1/control.grpc.pb.h"
#include "chameleon/v1/worker.grpc.pb.h"
#include "coordinator/api/listener.h"
#include "coordinator/api/server.h"
#include "proto/process/logging.h"
#include "proto/process/version.h"
#include "proto/wire/channel.h"
#include "proto/wire/error.h"
#include "proto/wire/status.h"
#include "proto/wire/token.h"
#include "tests/support/tls_files.h"
#include "tests/unit/api/fake_rooms.h"

namespace chameleon::coordinator::api {
namespace {

using chameleon::test::TlsFiles;
using ::testing::ElementsAre;

// Warnings and above, since it was made.
class Warnings {
 public:
  Warnings()
      : tap_(AddLogTap("warning", [this](int64_t, const std::string&, const std::string& text) {
          std::lock_guard lock(mutex_);
          lines_.push_back(text);
        })) {}
  ~Warnings() { RemoveLogTap(tap_); }
  std::vector<std::string> lines() {
    std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
  const uint64_t tap_;
};

std::string Show(const absl::Status& status) {
  return fmt::format("{} {}: {}", static_cast<int>(status.code()), DetailOf(status).reason(),
                     Text(status));
}

class GateTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    signal(SIGPIPE, SIG_IGN);  // the programs block it
    ASSERT_TRUE(
        InitLogging({.level = "debug", .directory = testing::TempDir(), .name = "gate"}).ok());
    files_ = new TlsFiles();
    files_->Authority("other");
    files_->Certificate("server");
    files_->Certificate("expired", {}, -1);
    files_->Certificate("client");
    files_->Certificate("stranger", {}, 2, "other");
    files_->Token("client.token");
    files_->Token("join.token");
    files_->Token("wrong.token");
  }
  static void TearDownTestSuite() {
    delete files_;
    files_ = nullptr;
  }
  void SetUp() override {
    test::NewWorld();
    char name[] = "/tmp/chameleon-gate-XXXXXX";
    home_ = mkdtemp(name);
    port_ = chameleon::test::FreePort();
  }
  void TearDown() override {
    if (server_) server_->Stop();
    std::filesystem::remove_all(home_);
  }
  static std::string TokenFile(const std::string& name) {
    const std::string pem = files_->Pem("ca");
    return pem.substr(0, pem.rfind('/') + 1) + name;
  }
  std::string Address() const { return fmt::format("127.0.0.1:{}", port_); }
  ListenOptions Tls(const std::string& certificate = "server") const {
    ListenOptions options;
    options.address = Address();
    options.tls_cert = files_->Pem(certificate);
    options.tls_key = files_->Key(certificate);
    options.client_token_file = TokenFile("client.token");
    options.join_token_file = TokenFile("join.token");
    return options;
  }
  void Listen(const ListenOptions& options) {
    Coordinator::Options with;
    with.home = home_;
    with.address = "unix:" + home_ + "/s";
    with.known_file = home_ + "/known";
    coordinator_ = std::make_unique<Coordinator>(with);
    auto listener = OpenListener(options);
    ASSERT_TRUE(listener.ok()) << listener.status();
    auto server = Server::Start(coordinator_.get(), with.address, *listener, [] {});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  Endpoint At(const std::string& token, const std::string& ca = "ca",
              const std::string& certificate = "") const {
    Endpoint endpoint{Address(), files_->Pem(ca), "", "", ""};
    if (!certificate.empty()) {
      endpoint.tls_cert = files_->Pem(certificate);
      endpoint.tls_key = files_->Key(certificate);
    }
    if (!token.empty()) endpoint.token = *ReadTokenFile(TokenFile(token));
    return endpoint;
  }
  static absl::Status Client(const Endpoint& endpoint) {
    auto channel = OpenChannel(endpoint);
    if (!channel.ok()) return channel.status();
    auto stub = v1::ControlService::NewStub(*channel);
    grpc::ClientContext context;
    v1::GetVersionResponse response;
    return Explained(endpoint, FromGrpc(stub->GetVersion(&context, {}, &response)));
  }
  // OK: it was let in as a host.
  static absl::Status Worker(const Endpoint& endpoint, const std::string& version = "") {
    auto channel = OpenChannel(endpoint);
    if (!channel.ok()) return channel.status();
    auto stub = v1::WorkerService::NewStub(*channel);
    grpc::ClientContext context;
    auto stream = stub->Work(&context);
    v1::WorkerReport report;
    report.mutable_hello()->set_host("h");
    report.mutable_hello()->set_worker_id("h:1");
    report.mutable_hello()->set_version(version.empty() ? kVersion : version);
    report.mutable_hello()->set_capacity(1);
    stream->Write(report);
    v1::WorkerOrder order;
    if (stream->Read(&order)) {
      EXPECT_TRUE(order.has_welcome());
      context.TryCancel();
      stream->Finish();
      return absl::OkStatus();
    }
    return Explained(endpoint, FromGrpc(stream->Finish()));
  }

  static TlsFiles* files_;
  std::string home_;
  int port_ = 0;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<Server> server_;
};
TlsFiles* GateTest::files_ = nullptr;

TEST_F(GateTest, EachRoleHasItsToken) {
  Listen(Tls());
  EXPECT_TRUE(Client(At("client.token")).ok()) << Client(At("client.token"));
  EXPECT_TRUE(Worker(At("join.token")).ok()) << Worker(At("join.token"));

  EXPECT_EQ(Show(Client(At(""))),
            "16 TOKEN_REQUIRED: a client token is required\n"
            "HINT: Name its file with --token-file or CHAMELEON_TOKEN_FILE.");
  EXPECT_EQ(Show(Client(At("wrong.token"))),
            "16 TOKEN_WRONG: the client token is wrong\n"
            "HINT: Use the token in the coordinator's client_token_file.");
  EXPECT_EQ(Show(Client(At("join.token"))),
            "7 TOKEN_OF_OTHER_ROLE: a worker's join token does not admit a client\n"
            "HINT: Use the token in the coordinator's client_token_file.");
  EXPECT_EQ(Show(Worker(At(""))),
            "16 TOKEN_REQUIRED: a join token is required\n"
            "HINT: Name its file with --token-file or CHAMELEON_TOKEN_FILE.");
  EXPECT_EQ(Show(Worker(At("wrong.token"))),
            "16 TOKEN_WRONG: the join token is wrong\n"
            "HINT: Use the token in the coordinator's join_token_file.");
  EXPECT_EQ(Show(Worker(At("client.token"))),
            "7 TOKEN_OF_OTHER_ROLE: a client's token does not admit a worker\n"
            "HINT: Use the token in the coordinator's join_token_file.");
  EXPECT_EQ(Show(Worker(At("join.token"), "0.0.9")),
            fmt::format("9 VERSION_MISMATCH: worker host h has version 0.0.9, the coordinator {}\n"
                        "HINT: Install the same version on all hosts.",
                        kVersion));
}

TEST_F(GateTest, ARoleWithoutATokenIsNotServed) {
  ListenOptions options = Tls();
  options.join_token_file.clear();
  Listen(options);
  EXPECT_TRUE(Client(At("client.token")).ok());
  EXPECT_EQ(Show(Worker(At("join.token"))),
            "7 ROLE_NOT_SERVED: this coordinator takes no workers over the network\n"
            "HINT: Start it with --join-token-file, or set listen.join_token_file.");
}

TEST_F(GateTest, WhatIsRefusedIsLoggedOnce) {
  Listen(Tls());
  Warnings warnings;
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(Worker(At("wrong.token")).ok());
    EXPECT_FALSE(Worker(At("join.token"), "0.0.9").ok());
    EXPECT_FALSE(Client(At("")).ok());
  }
  EXPECT_THAT(warnings.lines(),
              ElementsAre("refused: the join token is wrong peer=127.0.0.1",
                          fmt::format("refused: worker host h has version 0.0.9, the coordinator "
                                      "{} peer=127.0.0.1",
                                      kVersion),
                          "refused: a client token is required peer=127.0.0.1"));
}

// Each method of both services, also those that somebody adds.
TEST_F(GateTest, NoMethodIsOpen) {
  Listen(Tls());
  auto channel = OpenChannel(At(""));
  ASSERT_TRUE(channel.ok());
  grpc::GenericStub stub(*channel);
  int methods = 0;
  for (const char* name : {"chameleon.v1.ControlService", "chameleon.v1.WorkerService"}) {
    // The files are linked in: the pool knows them.
    (void)v1::GetVersionRequest::descriptor();
    (void)v1::Lease::descriptor();
    const auto* service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i, ++methods) {
      grpc::ClientContext context;
      grpc::CompletionQueue queue;
      const grpc::Slice nothing("", 0);
      grpc::ByteBuffer empty(&nothing, 1), response;
      auto call = stub.PrepareUnaryCall(
          &context, fmt::format("/{}/{}", name, service->method(i)->name()), empty, &queue);
      call->StartCall();
      grpc::Status status;
      call->Finish(&response, &status, nullptr);
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED)
          << service->method(i)->full_name() << ": " << status.error_message();
    }
  }
  EXPECT_GT(methods, 30);
}

TEST_F(GateTest, TheServersCertificateIsChecked) {
  Listen(Tls());
  EXPECT_EQ(Show(Client(At("client.token", "other"))),
            fmt::format("14 SERVER_CERTIFICATE: the certificate of {} is not accepted: unable to "
                        "get local issuer certificate\nHINT: Check the coordinator's certificate, "
                        "and that --tls-ca names the authority that signed it.",
                        Address()));
  Endpoint by_name = At("client.token");
  by_name.address = fmt::format("[::ffff:127.0.0.1]:{}", port_);  // not in the certificate
  EXPECT_EQ(Show(Client(by_name)).substr(0, 23), "14 SERVER_CERTIFICATE: ") << Client(by_name);
}

TEST_F(GateTest, AnExpiredCertificateOfTheServer) {
  Listen(Tls("expired"));
  const std::string expected = fmt::format(
      "14 SERVER_CERTIFICATE: the certificate of {} is not accepted: certificate has expired\n"
      "HINT: Check the coordinator's certificate, and that --tls-ca names the authority that "
      "signed it.",
      Address());
  EXPECT_EQ(Show(Client(At("client.token"))), expected);
  EXPECT_EQ(Show(Worker(At("join.token"))), expected);
}

TEST_F(GateTest, CertificatesOfClients) {
  ListenOptions options = Tls();
  options.tls_client_ca = files_->Pem("ca");
  Listen(options);
  EXPECT_TRUE(Client(At("client.token", "ca", "client")).ok())
      << Client(At("client.token", "ca", "client"));
  // A certificate is no token.
  EXPECT_EQ(Show(Client(At("", "ca", "client"))),
            "16 TOKEN_REQUIRED: a client token is required\n"
            "HINT: Name its file with --token-file or CHAMELEON_TOKEN_FILE.");
  const auto refused = [&](const std::string& why) {
    return fmt::format(
        "14 CLIENT_CERTIFICATE: {} {}\n"
        "HINT: Give --tls-cert and --tls-key with a certificate that the coordinator's "
        "tls_client_ca has signed.",
        Address(), why);
  };
  Warnings warnings;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Show(Client(At("client.token"))), refused("wants a certificate of its clients"));
  }
  EXPECT_THAT(warnings.lines(),
              ElementsAre("a TLS handshake failed: peer did not return a certificate"));
  EXPECT_EQ(Show(Worker(At("join.token", "ca", "stranger"))),
            refused("does not accept the certificate " + files_->Pem("stranger")));
  EXPECT_EQ(
      Show(Worker(At("join.token", "ca", "expired"))),
      refused("does not accept the certificate " + files_->Pem("expired") + ": it has expired"));
}

// A certificate is renewed under a listener that goes on; what is half renewed or gone heals.
TEST_F(GateTest, ARenewedCertificateNeedsNoRestart) {
  files_->Certificate("renewed", {}, -1);
  files_->Certificate("next");
  ListenOptions options = Tls("renewed");
  options.tls_client_ca = files_->Authority("clients");
  files_->Certificate("customer", {}, 2, "other");
  Listen(options);
  const auto client = [this] { return Client(At("client.token", "ca", "customer")); };
  EXPECT_EQ(DetailOf(client()).reason(), "SERVER_CERTIFICATE") << client();

  const auto replace = [this](const std::string& with, const std::string& file) {
    std::filesystem::copy_file(with, file + ".new");
    std::filesystem::rename(file + ".new", file);
  };
  const auto until = [](auto condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition() && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return condition();
  };
  const auto reason_is = [&](const std::string& reason) {
    return until([&] { return DetailOf(client()).reason() == reason; });
  };
  replace(files_->Pem("next"), files_->Pem("renewed"));
  std::this_thread::sleep_for(std::chrono::seconds(6));  // seen with the old key
  EXPECT_FALSE(client().ok());
  replace(files_->Key("next"), files_->Key("renewed"));
  EXPECT_TRUE(reason_is("CLIENT_CERTIFICATE")) << client();
  replace(files_->Pem("other"), files_->Pem("clients"));
  EXPECT_TRUE(until([&] { return client().ok(); })) << client();
  // Between a removal and a new file the last ones count.
  std::filesystem::rename(files_->Pem("renewed"), files_->Pem("renewed") + ".away");
  std::this_thread::sleep_for(std::chrono::seconds(6));
  EXPECT_TRUE(client().ok()) << client();
}

// The old one admits nobody any more; a file that cannot be used changes nothing.
TEST_F(GateTest, ANewTokenNeedsNoRestart) {
  ListenOptions options = Tls();
  options.client_token_file = files_->Token("changing.token");
  const Endpoint old = At("changing.token");
  Listen(options);
  ASSERT_TRUE(Client(old).ok()) << Client(old);
  const auto wait = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1100)); };
  files_->Token("changing.token");
  const Endpoint renewed = At("changing.token");
  wait();
  EXPECT_EQ(DetailOf(Client(old)).reason(), "TOKEN_WRONG") << Client(old);
  EXPECT_TRUE(Client(renewed).ok()) << Client(renewed);
  EXPECT_TRUE(Worker(At("join.token")).ok());

  Warnings warnings;
  const std::string file = options.client_token_file;
  const std::string kept = "the tokens that were in force stay so: ";
  files_->Token("changing.token", At("join.token").token);
  wait();
  EXPECT_TRUE(Client(renewed).ok()) << Client(renewed);
  EXPECT_TRUE(Worker(At("join.token")).ok());
  std::filesystem::remove(file);
  wait();
  EXPECT_TRUE(Client(renewed).ok()) << Client(renewed);
  wait();
  EXPECT_TRUE(Client(renewed).ok()) << Client(renewed);
  const auto lines = warnings.lines();
  ASSERT_EQ(lines.size(), 2u) << testing::PrintToString(lines);
  EXPECT_EQ(lines[0].substr(0, lines[0].find('\n')),
            kept + "clients and workers have the same token");
  EXPECT_EQ(lines[1].substr(0, lines[1].find('\n')),
            fmt::format("{}cannot read the token file {}: No such file or directory", kept, file));
}

TEST_F(GateTest, PlainTextOnLoopback) {
  ListenOptions options;
  options.address = Address();
  options.plaintext_loopback = true;
  Listen(options);
  Endpoint endpoint{Address(), "", "", "", ""};
  EXPECT_TRUE(Client(endpoint).ok()) << Client(endpoint);
  EXPECT_EQ(Show(Worker(endpoint)),
            "7 ROLE_NOT_SERVED: this coordinator takes no workers over the network\n"
            "HINT: Start it with --join-token-file, or set listen.join_token_file.");
  endpoint.tls_ca = files_->Pem("ca");
  EXPECT_EQ(Show(Client(endpoint)).substr(0, 19), "14 TLS_NOT_SPOKEN: ") << Client(endpoint);
}

TEST_F(GateTest, NobodyThere) {
  EXPECT_EQ(Show(Client(At("client.token"))),
            fmt::format("14 COORDINATOR_AWAY: no coordinator answers at {}: Connection refused\n"
                        "HINT: Is it running with --listen, and is the port open?",
                        Address()));
}

TEST_F(GateTest, WhatAListenerNeeds) {
  const auto error = [](const ListenOptions& options) {
    return Show(OpenListener(options).status());
  };
  ListenOptions options;
  options.address = "0.0.0.0:7070";
  options.plaintext_loopback = true;
  EXPECT_EQ(error(options),
            "9 TLS_REQUIRED: will not listen on 0.0.0.0:7070 without TLS\n"
            "HINT: Give --tls-cert and --tls-key. Only 127.0.0.1 is allowed in plain text, with "
            "--plaintext-loopback.");
  options.address = "127.0.0.1:7070";
  options.plaintext_loopback = false;
  EXPECT_EQ(error(options).substr(0, 15), "9 TLS_REQUIRED:");

  options = Tls();
  options.client_token_file.clear();
  options.join_token_file.clear();
  EXPECT_EQ(error(options),
            fmt::format("9 TOKEN_REQUIRED: will not listen on {} without a token\n"
                        "HINT: Give --client-token-file for clients, --join-token-file for "
                        "workers, or both.",
                        Address()));
  options = Tls();
  options.join_token_file = options.client_token_file;
  EXPECT_EQ(error(options),
            "9 TOKENS_EQUAL: clients and workers have the same token\n"
            "HINT: Make another one with: openssl rand -hex 32");
  options = Tls();
  options.tls_key = "/nowhere/server.key";
  EXPECT_EQ(error(options),
            "9 TLS_FILE: cannot read the TLS key /nowhere/server.key: No such file or directory\n"
            "HINT: Name a PEM file that this user may read.");
  options.tls_key = files_->Key("client");
  EXPECT_EQ(error(options), fmt::format("9 TLS_FILE: {} and {} are not a certificate and its key\n"
                                        "HINT: Both are PEM files, and the key has no passphrase.",
                                        options.tls_cert, options.tls_key));
  const std::string loose = files_->Token("loose.token");
  chmod(loose.c_str(), 0640);
  options = Tls();
  options.join_token_file = loose;
  EXPECT_EQ(error(options),
            fmt::format("9 TOKEN_FILE: the token file {0} can be read by other users\n"
                        "HINT: Run: chmod 600 {0}",
                        loose));
}

TEST(Token, WhatATokenIs) {
  TlsFiles files;
  for (const char* bad : {"", "short", "with a blank in the middle of it"}) {
    const std::string path = files.Pem("ca") + ".token";
    chameleon::test::WriteFile(path, bad);
    chmod(path.c_str(), 0600);
    EXPECT_EQ(Show(ReadTokenFile(path).status()),
              fmt::format("9 TOKEN_FILE: {} does not hold a token: one line of 16 to 512 "
                          "characters without blanks\nHINT: Make one with: openssl rand -hex 32",
                          path));
  }
  EXPECT_EQ(Show(ReadTokenFile("/nowhere/token").status()),
            "9 TOKEN_FILE: cannot read the token file /nowhere/token: No such file or directory\n"
            "HINT: Write a token to it: (umask 077; openssl rand -hex 32 > FILE)");
  EXPECT_TRUE(SameToken("abcd", "abcd"));
  EXPECT_FALSE(SameToken("abcd", "abce"));
  EXPECT_FALSE(SameToken("abcd", "abcde"));
  EXPECT_FALSE(SameToken("", ""));
}

TEST(PeerHost, WithoutThePort) {
  EXPECT_EQ(PeerHost("ipv4:10.0.0.7:4711"), "10.0.0.7");
  EXPECT_EQ(PeerHost("ipv6:%5B::1%5D:4711"), "[::1]");
  EXPECT_EQ(PeerHost("unix:"), "unix:");
}

}  // namespace
}  // namespace chameleon::coordinator::api
