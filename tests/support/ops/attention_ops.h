#pragma once
// Operands, references and op cases of Attention and KvWrite.

#include <cmath>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "tests/support/ops/op_case.h"

namespace tandem {

struct AttentionHeads {
  int64_t num_heads = 8;
  int64_t num_kv_heads = 2;
  int64_t head_dim = 64;
  int64_t window = 0;
  DType dtype = DType::kF32;  // of the cache
  DType y_dtype = DType::kF32;

  float scale() const { return 1.0f / std::sqrt(static_cast<float>(head_dim)); }
  int64_t q_width() const { return num_heads * head_dim; }
  int64_t kv_width() const { return num_kv_heads * head_dim; }
  std::string Label() const;
};

// A whole text's q, k and v: what its tokens will be at each position. Roughly normal.
struct AttentionText {
  int64_t length;
  std::vector<float> q;  // [length, num_heads, head_dim]
  std::vector<float> k;  // [length, num_kv_heads, head_dim]
  std::vector<float> v;  // [length, num_kv_heads, head_dim]

  AttentionText(const AttentionHeads& heads, int64_t num_tokens, uint64_t seed);
};

// [num_heads, head_dim] at one position, in double precision from rounded operands.
std::vector<double> ReferenceAttentionRow(const AttentionHeads& heads, const AttentionText& text,
                                          int64_t position);

// Gradients of one text's attention, given dy [length, num_heads, head_dim], in double precision
// from q, k and v as the cache rounds them.
struct AttentionGradients {
  std::vector<double> dq;  // [length, num_heads, head_dim]
  std::vector<double> dk;  // [length, num_kv_heads, head_dim]
  std::vector<double> dv;  // [length, num_kv_heads, head_dim]
};

AttentionGradients ReferenceAttentionGradients(const AttentionHeads& heads,
                                               const AttentionText& text,
                                               const std::vector<float>& dy);

// A sequence's part of a step: its last new_tokens of context_len.
struct SequenceShape {
  int64_t new_tokens;
  int64_t context_len;
};

struct AttentionShape {
  AttentionHeads heads;
  std::vector<SequenceShape> sequences;

  std::string Label() const;
};

// What attention and the writing of its cache are both tested with.
std::vector<AttentionShape> SmallAttentionShapes(DType dtype);

// Arrays of a RaggedBatch over pages that lie scattered in a pool of num_pages.
struct OwnedBatch {
  Tensor cu_seqlens, context_lens, page_tables;
  int64_t num_tokens = 0;
  int64_t num_pages = 0;

  explicit OwnedBatch(const std::vector<SequenceShape>& sequences);
  void MoveTo(Context& context);  // to its device
  RaggedBatch view() const { return {cu_seqlens, context_lens, page_tables}; }
};

// Two layers, of which AttentionOp::kLayer is used.
KvLayout LayoutOf(const AttentionHeads& heads);
void FillPool(KvPool& pool, int byte);         // on the CPU
KvPool Placed(Context& context, KvPool pool);  // where the context's device is

class AttentionOp : public OpRun {
 public:
  AttentionOp(Context& context, const AttentionShape& shape);
  void Run(Context& context) override;
  std::vector<std::vector<double>> Reference() const override;

  static constexpr int64_t kLayer = 1;  // of two
  AttentionShape shape;
  OwnedBatch batch;
  KvPool pool;        // NaN wherever no key was written
  ConstTensorView q;  // [tokens, num_heads, head_dim], f32
  TensorView y;       // [tokens, num_heads, head_dim]

  const std::vector<AttentionText>& texts() const { return texts_; }  // of each sequence

 private:
  const AttentionText& TextOf(Context& context, size_t sequence);

  std::vector<AttentionText> texts_;
};

}  // namespace tandem
