#include "proto/process/signals.h"

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

namespace chameleon {
namespace {
sigset_t StopSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}
}  // namespace

void BlockSignals() {
  sigset_t set = StopSet();
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void OnStopSignal(std::function<void(int)> on_stop) {
  std::thread([on_stop = std::move(on_stop)] {
    const sigset_t set = StopSet();
    int signal = 0;
    while (sigwait(&set, &signal) == 0) on_stop(signal);
  }).detach();
}

}  // namespace chameleon
