// The op table with operands in the device's own memory, which no host code may touch: as they are
// on a GPU. The same ops on the host's memory, in all schedules: op_conformance_test.cc.

#include <gtest/gtest.h>

#include <set>

#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/support/ops/op_cases.h"

namespace tandem {
namespace {

// The first that has work of each op and type; sequences that end in the middle of others come
// first in the table.
TEST(CudaOpPlacement, EveryOpAgreesOnOperandsOfTheDevice) {
  const CudaBackend backend;
  std::set<std::string> seen;
  for (const OpCase& c : OpCases(OpUse::kTest)) {
    if (c.bytes == 0 || !seen.insert(c.op + " " + c.dtype).second) continue;
    CudaContext context;
    EXPECT_EQ(DifferenceOnDevice(context, c), "") << c.Label();
  }
  EXPECT_GT(seen.size(), 60u);
}

TEST(CudaOpPlacement, RunsOnNoRows) {
  const CudaBackend backend;
  for (const OpCase& c : OpCases(OpUse::kTest)) {
    if (c.bytes != 0) continue;
    CudaContext context;
    EXPECT_EQ(DifferenceOnDevice(context, c), "") << c.Label();
  }
}

}  // namespace
}  // namespace tandem
