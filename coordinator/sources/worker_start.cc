// SourceActor's way to a worker: on the host that the source asks for, with a lease of its own.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "coordinator/sources/source_actor.h"
#include "proto/wire/error.h"

namespace chameleon::coordinator::sources {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kHelloWait{30};
// A host that was restarted, or a coordinator that was: workers dial again within seconds.
constexpr seconds kHostWait{30};
constexpr std::chrono::milliseconds kHostLook{200};
constexpr double kProcessGraceS = 5;

absl::Status Stopped() { return absl::CancelledError("stopped"); }

}  // namespace

SourceActor::Session::~Session() {
  run->Close();
  if (process) process->Stop(kProcessGraceS);
}

absl::Status SourceActor::StartWorker(const Config& config, Session* session) {
  const std::string& wanted = Settings(config).worker;
  const auto on_exit = [run = session->run](const std::string& how) { run->ProcessGone(how); };
  const auto deadline = steady_clock::now() + kHostWait;
  while (wanted != kWorkerLocal) {
    v1::Launch launch;
    launch.set_source_id(id_);
    launch.set_source(name_);
    launch.set_config(config.name);
    launch.set_log_level(config.log_level);
    launch.set_token(session->run->token());
    const std::string label = wanted == kWorkerAny ? "" : wanted;
    auto placed = services_.hosts->Place(label, std::move(launch), on_exit);
    if (placed.ok()) {
      session->host = placed->host;
      session->process = std::move(placed->process);
      return absl::OkStatus();
    }
    if (wanted == kWorkerAny) break;
    if (steady_clock::now() > deadline) return placed.status();
    SetActivity(fmt::format("waiting for a worker: {}", Text(placed.status())));
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kHostLook, [this] { return stop_ || cancel_; });
    if (stop_ || cancel_) return Stopped();
  }
  LaunchSpec spec;
  spec.program = services_.worker_program;
  spec.arguments = {"--coordinator", services_.address, "--launched-for", fmt::format("{}", id_),
                    "--config",      config.name,       "--log-level",    config.log_level};
  spec.environment = {"CHAMELEON_LAUNCH_TOKEN=" + session->run->token()};
  spec.label = Tag();
  spec.on_exit = on_exit;
  auto process = services_.launcher->Launch(std::move(spec));
  if (!process.ok()) return process.status();
  session->process = std::move(*process);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SourceActor::Session>> SourceActor::OpenSession(
    const Config& config) {
  SetActivity("starting a worker");
  auto session = std::make_unique<Session>();
  session->run = std::make_shared<WorkerRun>(id_, [this] { Notify(); });
  services_.workers->Expect(session->run);
  if (auto status = StartWorker(config, session.get()); !status.ok()) return status;
  SetActivity("starting a worker");
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kHelloWait, [&] {
      return stop_ || cancel_ || session->run->hello() || session->run->end();
    });
    if (stop_ || cancel_) return Stopped();
  }
  if (auto end = session->run->end()) return end->status;
  const auto hello = session->run->hello();
  if (!hello) return absl::UnavailableError("the worker did not connect to the coordinator");

  auto record = catalogue_->GetSource(name_);
  if (!record.ok()) return record.status();
  session->record = *record;
  const std::string worker = fmt::format("{}:{}", hello->host(), hello->pid());
  auto epoch = catalogue_->NewEpoch(id_, worker);
  if (!epoch.ok()) return epoch.status();
  session->lease.set_config(config.name);
  session->lease.set_source_id(id_);
  session->lease.set_source(name_);
  session->lease.set_epoch(*epoch);
  return session;
}

}  // namespace chameleon::coordinator::sources
