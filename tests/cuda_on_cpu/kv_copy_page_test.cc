// KvCopyPage on CUDA: the pool has the bits that the CPU's copy leaves.

#include <gtest/gtest.h>

#include <cstring>

#include "kernels/core/error.h"
#include "kernels/kv_pages.h"
#include "tests/cuda_on_cpu/on_cuda.h"

namespace tandem {
namespace {

using CudaKvCopyPage = OnCuda;

void FillWithBytes(KvPool& pool) {
  const int64_t bytes = pool.num_pages() * pool.layout().page_bytes();
  for (int64_t i = 0; i < bytes; ++i) pool.layer(0)[i] = static_cast<std::byte>(i * 37 % 251);
}

TEST_F(CudaKvCopyPage, CopiesAllLayersOfAPageAndNothingElse) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const int64_t head_dim : {8, 24, 64}) {
      const KvLayout layout{
          .num_layers = 3, .num_kv_heads = 2, .head_dim = head_dim, .dtype = dtype};
      for (const auto& [from, to] :
           std::vector<std::pair<PageId, PageId>>{{1, 3}, {4, 0}, {2, 2}}) {
        KvPool want(layout, 5), got(layout, 5);
        FillWithBytes(want);
        FillWithBytes(got);
        KvCopyPage(on_cpu_, {.pool = want, .from = from, .to = to});
        KvCopyPage(on_cuda_, {.pool = got, .from = from, .to = to});
        EXPECT_EQ(
            std::memcmp(got.layer(0), want.layer(0), static_cast<size_t>(5 * layout.page_bytes())),
            0)
            << Name(dtype) << " head_dim " << head_dim << ": " << from << " to " << to;
      }
    }
  }
}

TEST_F(CudaKvCopyPage, IsTheDevicesWork) {
  SetDeviceOps(DeviceKind::kCuda, {});
  KvPool pool({.num_layers = 1, .num_kv_heads = 1, .head_dim = 8}, 2);
  EXPECT_THROW(KvCopyPage(on_cuda_, {.pool = pool, .from = 0, .to = 1}), DeviceError);
}

}  // namespace
}  // namespace tandem
