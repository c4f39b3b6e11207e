#include "kernels/kv_pages.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace tandem {
namespace {

class KvPages : public testing::TestWithParam<DType> {
 protected:
  KvLayout layout_{.num_layers = 3, .num_kv_heads = 2, .head_dim = 24, .dtype = GetParam()};
  ThreadPool threads_{2};
  Workspace workspace_;
  Context context_{.pool = threads_, .workspace = workspace_};
};

TEST_P(KvPages, CopiesAllLayersOfAPage) {
  KvPool pool(layout_, 4);
  const auto bytes = static_cast<size_t>(layout_.layer_page_bytes());
  for (int64_t i = 0; i < layout_.num_layers; ++i) {
    for (int64_t p = 0; p < 4; ++p) {
      std::memset(pool.layer(i) + p * layout_.layer_page_bytes(), static_cast<int>(10 * i + p + 1),
                  bytes);
    }
  }
  KvCopyPage(context_, {.pool = pool, .from = 1, .to = 3});
  for (int64_t i = 0; i < layout_.num_layers; ++i) {
    for (const int64_t p : {0, 1, 2, 3}) {
      const std::byte* page = pool.layer(i) + p * layout_.layer_page_bytes();
      const auto want = static_cast<std::byte>(10 * i + (p == 3 ? 1 : p) + 1);
      EXPECT_EQ(page[0], want);
      EXPECT_EQ(page[bytes - 1], want);
    }
  }
}

TEST_P(KvPages, RefusesPagesOutsideThePool) {
  KvPool pool(layout_, 2);
  EXPECT_THROW(KvCopyPage(context_, {.pool = pool, .from = 0, .to = 2}), InternalError);
  const std::vector<int32_t> cu = {0, 1}, lens = {1}, tables = {2};
  const std::vector<float> zeros(48);
  const Shape shape{1, 2, 24};
  const KvWriteArgs args{.k = {zeros.data(), shape},
                         .v = {zeros.data(), shape},
                         .batch = {.cu_seqlens = {cu.data(), {2}},
                                   .context_lens = {lens.data(), {1}},
                                   .page_tables = {tables.data(), {1, 1}}},
                         .pool = pool};
  EXPECT_THROW(KvWrite(context_, args), InternalError);
}

INSTANTIATE_TEST_SUITE_P(DTypes, KvPages, testing::Values(DType::kF32, DType::kBf16),
                         [](const auto& test) { return std::string(Name(test.param)); });

TEST(KvPool, CountsItsBytes) {
  const KvLayout layout{.num_layers = 8, .num_kv_heads = 2, .head_dim = 64, .dtype = DType::kBf16};
  EXPECT_EQ(layout.layer_page_bytes(), 2 * 2 * 16 * 64 * 2);
  EXPECT_EQ(layout.page_bytes(), 8 * layout.layer_page_bytes());
  const KvPool pool(layout, 100);
  EXPECT_EQ(pool.layer(1) - pool.layer(0), 100 * layout.layer_page_bytes());
  EXPECT_THROW(pool.layer(8), InternalError);
}

TEST(KvPool, RefusesLayoutsItCannotHold) {
  KvLayout layout{.num_layers = 1, .num_kv_heads = 1, .head_dim = 12, .dtype = DType::kF32};
  EXPECT_THROW(KvPool(layout, 1), ConfigError);
  layout.head_dim = 8;
  layout.dtype = DType::kF16;
  EXPECT_THROW(KvPool(layout, 1), ConfigError);
  layout.dtype = DType::kF32;
  EXPECT_THROW(KvPool(layout, int64_t{1} << 40), ConfigError);
}

TEST(RaggedBatch, IsCheckedAgainstItself) {
  const KvPool pool({.num_layers = 1, .num_kv_heads = 1, .head_dim = 8}, 4);
  const std::vector<int32_t> cu = {0, 2, 3}, tables = {0, 1};
  std::vector<int32_t> lens = {2, 16};
  const RaggedBatch batch{.cu_seqlens = {cu.data(), {3}},
                          .context_lens = {lens.data(), {2}},
                          .page_tables = {tables.data(), {2, 1}}};
  EXPECT_NO_THROW(CheckBatch(batch, 3, pool));
  EXPECT_THROW(CheckBatch(batch, 4, pool), InternalError);
  lens[0] = 1;  // fewer keys than new tokens
  EXPECT_THROW(CheckBatch(batch, 3, pool), InternalError);
  lens = {2, 17};  // more keys than the page table has room for
  EXPECT_THROW(CheckBatch(batch, 3, pool), InternalError);
}

}  // namespace
}  // namespace tandem
