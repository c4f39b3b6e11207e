#include "kernels/core/buffer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <utility>

#include "kernels/core/error.h"

namespace tandem {
namespace {

TEST(Buffer, IsAlignedAndZeroAtEverySize) {
  for (const int64_t size : {1, 63, 64, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 7}) {
    const Buffer buffer(kCpuDevice, size);
    ASSERT_EQ(buffer.size_bytes(), size);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    for (int64_t i = 0; i < size; ++i) ASSERT_EQ(buffer.data()[i], std::byte{0}) << i;
  }
}

TEST(Buffer, MovesItsMemory) {
  Buffer first(kCpuDevice, 128);
  std::byte* data = first.data();
  data[5] = std::byte{9};
  Buffer second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT: the state after a move is part of the contract
  EXPECT_EQ(second.data(), data);
  Buffer third(kCpuDevice, 2 << 20);
  third = std::move(second);
  EXPECT_EQ(third.data()[5], std::byte{9});
  EXPECT_EQ(third.size_bytes(), 128);
}

TEST(Buffer, ComesFromTheGivenSourceAndGoesBackToIt) {
  static int num_held = 0;
  static const HostMemory kSource{.allocate = [](int64_t size_bytes) -> void* {
                                    ++num_held;
                                    return std::calloc(static_cast<size_t>(size_bytes), 1);
                                  },
                                  .release =
                                      [](void* memory) noexcept {
                                        --num_held;
                                        std::free(memory);
                                      }};
  SetHostMemory(&kSource);
  {
    Buffer small(kCpuDevice, 100), large(kCpuDevice, 2 << 20), empty(kCpuDevice, 0);
    EXPECT_EQ(num_held, 2);
    SetHostMemory(nullptr);
    const Buffer own(kCpuDevice, 100);
    EXPECT_EQ(num_held, 2);
    const Buffer moved(std::move(small));
    large = Buffer(kCpuDevice, 100);
    EXPECT_EQ(num_held, 1);
  }
  EXPECT_EQ(num_held, 0);
}

TEST(Buffer, EmptyHoldsNothing) {
  const Buffer buffer(kCpuDevice, 0);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.data(), nullptr);
}

TEST(Buffer, ThrowsWhenThereIsNoSuchMemory) {
  EXPECT_THROW(Buffer(kCpuDevice, int64_t{1} << 60), DeviceError);
  EXPECT_THROW(Buffer(kCpuDevice, -1), InternalError);
}

}  // namespace
}  // namespace tandem
