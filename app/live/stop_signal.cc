#include "app/live/stop_signal.h"

#include <csignal>
#include <initializer_list>

namespace weir::app {
namespace {

volatile std::sig_atomic_t g_stop = 0;

void on_stop(int signal) {
  static_cast<void>(signal);
  g_stop = 1;
}

}  // namespace

void take_stop_signal() {
  for (const int ignored : {SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE}) std::signal(ignored, SIG_IGN);
  struct sigaction stop {};
  stop.sa_handler = on_stop;
  ::sigaction(SIGTERM, &stop, nullptr);
  std::signal(SIGCHLD, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool stop_asked() { return g_stop != 0; }

}  // namespace weir::app
