#pragma once
// Ranks that are threads of one process: tests, and several devices in one process. A message is
// copied once, from the sender's memory into the receiver's.

#include <chrono>
#include <memory>
#include <vector>

#include "kernels/comm/communicator.h"

namespace tandem {

// One for each rank, each for a thread of its own. With one rank no operation waits.
std::vector<std::unique_ptr<Communicator>> MakeThreadCommunicators(
    int num_ranks, std::chrono::milliseconds timeout = RankSettings{}.timeout);

}  // namespace tandem
