// tests/gpu/managed_memory.h on the fake runtime: a case of the op table, unchanged, on a device.

#include "tests/gpu/managed_memory.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

TEST(ManagedMemory, HoldsOperandsThatADeviceReads) {
  const CudaBackend backend;
  OpContext host;
  CudaContext device;
  for (const OpCase& c : OpCases(OpUse::kTest)) {
    if (c.op != "add" || c.bytes == 0) continue;
    SetHostMemory(&ManagedMemory());
    const std::unique_ptr<OpRun> run = c.prepare(host);
    SetHostMemory(nullptr);
    EXPECT_GT(ManagedBytesInUse(), c.bytes - c.in_place_bytes);
    const std::vector<std::vector<double>> want = run->Reference();
    PrefetchManagedMemory(device.context());
    run->Run(device);
    Synchronize(device);
    EXPECT_EQ(Difference(run->Outputs()[0], want[0], 0), "");
    EXPECT_TRUE(run->tensors().Intact());
  }
  EXPECT_EQ(ManagedBytesInUse(), 0);
}

TEST(ManagedMemory, IsZeroAndNeverMuch) {
  const CudaBackend backend;
  const HostMemory& memory = ManagedMemory();
  auto* const some = static_cast<std::byte*>(memory.allocate(1000));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(some) % 64, 0u);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(some[i], std::byte{0});
  EXPECT_EQ(ManagedBytesInUse(), 1000);
  EXPECT_THROW(memory.allocate(kMostManagedBytes), DeviceError);
  memory.release(some);
  EXPECT_EQ(ManagedBytesInUse(), 0);
}

}  // namespace
}  // namespace tandem
