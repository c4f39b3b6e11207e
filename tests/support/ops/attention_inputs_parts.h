#pragma once
// AttentionInputs beside the ops that it is made of, on any device that can read the host's memory.

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/attention_inputs.h"
#include "kernels/norm.h"
#include "kernels/split_columns.h"
#include "tests/support/ops/attention_ops.h"
#include "tests/support/ops/operands.h"

namespace tandem {

class AttentionInputsBesideParts {
 public:
  AttentionInputsBesideParts(const AttentionShape& shape, bool with_norm)
      : heads_(shape.heads),
        batch_(shape.sequences),
        table_({.head_dim = heads_.head_dim, .max_positions = kMaxPositions}),
        qkv_(NormalTensor({batch_.num_tokens, heads_.q_width() + 2 * heads_.kv_width()}, 1, 3.0f)) {
    table_.Reserve(kMaxPositions);
    std::vector<int32_t> positions;
    for (const SequenceShape& s : shape.sequences) {
      for (int64_t i = s.context_len - s.new_tokens; i < s.context_len; ++i) {
        positions.push_back(static_cast<int32_t>(i));
      }
    }
    positions_ = Integers(positions, {batch_.num_tokens});
    if (!with_norm) return;
    q_norm_ = NormalTensor({heads_.head_dim}, 2);
    k_norm_ = NormalTensor({heads_.head_dim}, 3);
  }

  // What the ops leave: q, then all bytes of the pool.
  std::vector<std::byte> Fused(Context& context) {
    Results results(*this);
    AttentionInputs(context, {.qkv = qkv_,
                              .positions = positions_,
                              .table = table_,
                              .q_norm = q_norm_.empty() ? ConstTensorView() : q_norm_.view(),
                              .k_norm = k_norm_.empty() ? ConstTensorView() : k_norm_.view(),
                              .eps = kEps,
                              .batch = batch_.view(),
                              .pool = results.pool,
                              .layer = AttentionOp::kLayer,
                              .q = results.q});
    return results.Bytes();
  }

  std::vector<std::byte> InParts(Context& context) {
    Results results(*this);
    const Shape kv_shape{batch_.num_tokens, heads_.num_kv_heads, heads_.head_dim};
    Tensor k(DType::kF32, kv_shape), v(DType::kF32, kv_shape);
    const std::array parts = {results.q.view(), k.view(), v.view()};
    SplitColumns(context, {.x = qkv_, .parts = parts});
    Norm(context, results.q, q_norm_);
    Norm(context, k, k_norm_);
    Rope(context, {.positions = positions_, .table = table_, .x = results.q});
    Rope(context, {.positions = positions_, .table = table_, .x = k});
    KvWrite(context, {.k = k,
                      .v = v,
                      .batch = batch_.view(),
                      .pool = results.pool,
                      .layer = AttentionOp::kLayer});
    return results.Bytes();
  }

 private:
  static constexpr int64_t kMaxPositions = 600;
  static constexpr float kEps = 1e-6f;

  struct Results {
    Tensor q;
    KvPool pool;

    explicit Results(const AttentionInputsBesideParts& of)
        : q(DType::kF32, {of.batch_.num_tokens, of.heads_.num_heads, of.heads_.head_dim}),
          pool(LayoutOf(of.heads_), of.batch_.num_pages) {
      FillPool(pool, 0x11);
    }
    std::vector<std::byte> Bytes() const {
      const int64_t pool_bytes = pool.num_pages() * pool.layout().page_bytes();
      std::vector<std::byte> bytes(static_cast<size_t>(q.size_bytes() + pool_bytes));
      std::memcpy(bytes.data(), q.view().bytes(), static_cast<size_t>(q.size_bytes()));
      std::memcpy(bytes.data() + q.size_bytes(), pool.layer(0), static_cast<size_t>(pool_bytes));
      return bytes;
    }
  };

  static void Norm(Context& context, TensorView x, const Tensor& weight) {
    if (weight.empty()) return;
    const TensorView rows = x.Reshaped({x.dim(0) * x.dim(1), x.dim(2)});
    RmsNorm(context, {.x = rows, .weight = weight, .eps = kEps, .y = rows});
  }

  AttentionHeads heads_;
  OwnedBatch batch_;
  RopeTable table_;
  Tensor qkv_, positions_, q_norm_, k_norm_;
};

// Many heads for one of keys, some, and none shared; prompts, chunks, decoding and sequences that
// bring nothing, also more of them than a warp has lanes.
inline std::vector<AttentionShape> AttentionInputsShapes(DType dtype) {
  const std::vector<SequenceShape> mixed = {{1, 1}, {20, 20}, {0, 5}, {3, 33}, {1, 65}, {7, 530}};
  std::vector<SequenceShape> many;
  for (int64_t i = 0; i < 75; ++i) many.push_back({i % 7 == 3 ? 0 : 1, 1 + i * 3});
  std::vector<AttentionShape> shapes;
  for (const int64_t head_dim : {8, 24, 64, 80, 96, 128, 256}) {
    for (const auto& [num_heads, num_kv_heads] :
         std::vector<std::pair<int64_t, int64_t>>{{3, 3}, {4, 2}, {3, 1}}) {
      shapes.push_back({{num_heads, num_kv_heads, head_dim, 0, dtype}, mixed});
    }
  }
  shapes.push_back({{8, 2, 64, 0, dtype}, {{1, 400}}});
  shapes.push_back({{8, 2, 64, 0, dtype}, many});
  shapes.push_back({{2, 1, 40, 0, dtype}, {{70, 70}, {64, 128}}});
  return shapes;
}

}  // namespace tandem
