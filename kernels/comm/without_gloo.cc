// Stands in for gloo_communicator.cc where gloo was not found.

#include "kernels/comm/gloo_communicator.h"
#include "kernels/core/error.h"

namespace tandem {

std::unique_ptr<Communicator> MakeGlooCommunicator(const GlooSettings&) {
  throw ConfigError(
      "this program was built without gloo and runs as one process: install libgloo-dev and build "
      "it again");
}

}  // namespace tandem
