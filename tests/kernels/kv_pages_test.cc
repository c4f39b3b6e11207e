#include "kernels/kv_pages.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "kernels/cpu/kv_page_layout.h"

namespace tandem {
namespace {

// Writes three sequences' tokens in one step and finds each element where the layout says.
class KvPages : public testing::TestWithParam<DType> {
 protected:
  KvLayout layout_{.num_layers = 3, .num_kv_heads = 2, .head_dim = 24, .dtype = GetParam()};
  ThreadPool threads_{2};
  Workspace workspace_;
  Context context_{.pool = threads_, .workspace = workspace_};

  // Element of layer 1 as float, or its bits when it was never written.
  float Element(const KvPool& pool, PageId id, int64_t head, int64_t index) const {
    const cpu::PageLayout page(layout_);
    const std::byte* at = pool.layer(1) + id * layout_.layer_page_bytes();
    const int64_t element = head * page.head_words() * page.unit + index;
    if (layout_.dtype == DType::kF32) return reinterpret_cast<const float*>(at)[element];
    return static_cast<float>(reinterpret_cast<const BFloat16*>(at)[element]);
  }
  float Rounded(float value) const {
    return layout_.dtype == DType::kF32 ? value : static_cast<float>(BFloat16(value));
  }
};

TEST_P(KvPages, WritesEachTokenToItsSlot) {
  KvPool pool(layout_, 8);
  const std::vector<int32_t> cu = {0, 20, 20, 23}, lens = {20, 5, 33};
  const std::vector<int32_t> tables = {5, 2, -1, 7, -1, -1, 0, 3, 6};
  const int64_t width = layout_.num_kv_heads * layout_.head_dim;
  std::vector<float> k, v;
  for (int64_t i = 0; i < 23 * width; ++i) {
    k.push_back(1.0f + static_cast<float>(i) / 777.0f);
    v.push_back(-3.0f - static_cast<float>(i) / 555.0f);
  }
  const Shape shape{23, layout_.num_kv_heads, layout_.head_dim};
  KvWrite(context_, {.k = {k.data(), shape},
                     .v = {v.data(), shape},
                     .batch = {.cu_seqlens = {cu.data(), {4}},
                               .context_lens = {lens.data(), {3}},
                               .page_tables = {tables.data(), {3, 3}}},
                     .pool = pool,
                     .layer = 1});
  const cpu::PageLayout page(layout_);
  const auto expect_token = [&](int64_t token, PageId id, int64_t slot) {
    for (int64_t head = 0; head < layout_.num_kv_heads; ++head) {
      for (int64_t d = 0; d < layout_.head_dim; ++d) {
        const size_t from = static_cast<size_t>(token * width + head * layout_.head_dim + d);
        ASSERT_EQ(Element(pool, id, head, page.KeyIndex(slot, d)), Rounded(k[from])) << token;
        ASSERT_EQ(Element(pool, id, head, page.ValueIndex(slot, d)), Rounded(v[from])) << token;
      }
    }
  };
  for (int64_t token = 0; token < 16; ++token) expect_token(token, 5, token);
  for (int64_t token = 16; token < 20; ++token) expect_token(token, 2, token - 16);
  expect_token(20, 3, 14);  // the third sequence's positions 30, 31, 32
  expect_token(21, 3, 15);
  expect_token(22, 6, 0);
  EXPECT_EQ(Element(pool, 3, 0, page.KeyIndex(13, 0)), 0.0f);
  EXPECT_EQ(Element(pool, 7, 0, page.KeyIndex(0, 0)), 0.0f);
}

TEST_P(KvPages, CopiesAllLayersOfAPage) {
  KvPool pool(layout_, 4);
  const auto bytes = static_cast<size_t>(layout_.layer_page_bytes());
  for (int64_t i = 0; i < layout_.num_layers; ++i) {
    for (int64_t p = 0; p < 4; ++p) {
      std::memset(pool.layer(i) + p * layout_.layer_page_bytes(), static_cast<int>(10 * i + p + 1),
                  bytes);
    }
  }
  KvCopyPage(context_, pool, 1, 3);
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
  EXPECT_THROW(KvCopyPage(context_, pool, 0, 2), InternalError);
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
