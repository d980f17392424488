// What a test started must not outlive it, however the test ends: daemons that left its process
// group and its children included.
//
// A small shell waits for the end of a socket that this process alone holds. When the process is
// gone (kill -9 by a time limit, say) it kills whatever has the process's mark in its environment,
// and removes the temporary directories that were told to it. Every program that tests start gets
// the mark and hands it on to its children.
#pragma once

#include <string>

namespace chameleon::test {

// "CHAMELEON_TEST_MARK=…" of this process; starts the watchdog at the first call.
const std::string& WatchdogMark();
// Removes the directory at the end if it is still there.
void WatchdogRemoves(const std::string& directory);

}  // namespace chameleon::test
