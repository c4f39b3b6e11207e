#pragma once
// Ranks that are processes, on one machine or several, over TCP with gloo. Rank 0 waits at an
// address that all know; once all have come, each pair of ranks has a connection of its own, and a
// thread that this communicator owns serves them.
//
// A process that dies is found at once by those that wait for its next message, but only at their
// deadline by those to whom it was sending one.
//
// Between trusted machines only: neither the rendezvous nor gloo authenticate or encrypt, and what
// is sent to a port of gloo's by another program can end the process.

#include <memory>
#include <string>

#include "kernels/comm/communicator.h"
#include "kernels/comm/tcp_rendezvous.h"

namespace tandem {

struct GlooSettings {
  // What launchers call RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT.
  RendezvousSettings rendezvous;
  // Where other ranks reach this one; empty: the address at which this machine reaches rank 0.
  std::string own_address;
};

// Returns when all ranks are connected. ConfigError for settings that cannot be (or when the
// program was built without gloo), DeviceError when ranks do not come in time.
std::unique_ptr<Communicator> MakeGlooCommunicator(const GlooSettings& settings);

}  // namespace tandem
