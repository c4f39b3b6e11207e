// Op cases of KvWrite: one step writes the new tokens of ragged sequences to scattered pages.

#include "kernels/cpu/kv_page_layout.h"
#include "tests/support/ops/attention_ops.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

// The output is the whole pool, as words: nothing but the new tokens' slots may change.
class KvWriteOp : public OpRun {
 public:
  KvWriteOp(Context& context, const AttentionShape& shape)
      : OpRun(context),
        device_(context.device),
        heads_(shape.heads),
        sequences_(shape.sequences),
        batch_(shape.sequences),
        pool_(LayoutOf(shape.heads), batch_.num_pages) {
    const Shape kv_shape{batch_.num_tokens, heads_.num_kv_heads, heads_.head_dim};
    k_ = tensors_.Input(NormalTensor(kv_shape, 15));
    v_ = tensors_.Input(NormalTensor(kv_shape, 16));
    FillPool(pool_, kStale);
    pool_ = Placed(context, std::move(pool_));
    batch_.MoveTo(context);
  }

  void Reset() override { FillPool(pool_, kStale); }

  void Run(Context& context) override {
    KvWrite(
        context,
        {.k = k_, .v = v_, .batch = batch_.view(), .pool = pool_, .layer = AttentionOp::kLayer});
  }

  std::vector<ConstTensorView> Outputs() const override { return {WordsOf(pool_, device_)}; }

  std::vector<std::vector<double>> Reference() const override {
    KvPool want(pool_.layout(), pool_.num_pages());
    FillPool(want, kStale);
    int64_t token = 0;
    for (size_t s = 0; s < sequences_.size(); ++s) {
      const SequenceShape& sequence = sequences_[s];
      const int32_t* table = batch_.page_tables.data<int32_t>() +
                             static_cast<int64_t>(s) * batch_.page_tables.shape()[1];
      for (int64_t p = sequence.context_len - sequence.new_tokens; p < sequence.context_len; ++p) {
        PutToken(want, table[p / 16], p % 16, token++);
      }
    }
    return {ToDoubles(WordsOf(want, kCpuDevice))};
  }

 private:
  static constexpr int kStale = 0x11;

  static ConstTensorView WordsOf(const KvPool& pool, Device device) {
    return {pool.layer(0), DType::kI32, Shape{pool.num_pages() * pool.layout().page_bytes() / 4},
            device};
  }

  void PutToken(KvPool& pool, int64_t page_id, int64_t slot, int64_t token) const {
    const cpu::PageLayout page(pool.layout());
    std::byte* at = pool.layer(AttentionOp::kLayer) + page_id * pool.layout().layer_page_bytes();
    for (int64_t head = 0; head < heads_.num_kv_heads; ++head) {
      for (int64_t d = 0; d < heads_.head_dim; ++d) {
        const int64_t from = token * heads_.kv_width() + head * heads_.head_dim + d;
        const int64_t first = head * page.head_words() * page.unit;
        Put(at, first + page.KeyIndex(slot, d), k_.data<float>()[from]);
        Put(at, first + page.ValueIndex(slot, d), v_.data<float>()[from]);
      }
    }
  }

  void Put(std::byte* page, int64_t element, float value) const {
    if (heads_.dtype == DType::kF32) {
      reinterpret_cast<float*>(page)[element] = value;
    } else {
      reinterpret_cast<BFloat16*>(page)[element] = BFloat16(value);
    }
  }

  Device device_;
  AttentionHeads heads_;
  std::vector<SequenceShape> sequences_;
  OwnedBatch batch_;
  KvPool pool_;
  ConstTensorView k_, v_;  // [tokens, num_kv_heads, head_dim], f32
};

OpCase KvWriteCase(OpUse use, const AttentionShape& s) {
  int64_t tokens = 0;
  for (const SequenceShape& sequence : s.sequences) tokens += sequence.new_tokens;
  return {.op = "kv_write",
          .shape = s.Label(),
          .dtype = std::string(Name(s.heads.dtype)),
          .use = use,
          .bytes = 2 * tokens * s.heads.kv_width() * (4 + SizeOf(s.heads.dtype)),
          .prepare = [s](Context& context) { return std::make_unique<KvWriteOp>(context, s); }};
}

}  // namespace

void AddKvCases(std::vector<OpCase>& cases) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const AttentionShape& shape : SmallAttentionShapes(dtype)) {
      cases.push_back(KvWriteCase(OpUse::kTest, shape));
    }
  }
  const AttentionHeads heads{.dtype = DType::kBf16};
  cases.push_back(KvWriteCase(OpUse::kBench, {heads, {{512, 512}}}));
  cases.push_back(KvWriteCase(OpUse::kBench, {heads, std::vector<SequenceShape>(16, {1, 512})}));
}

}  // namespace tandem
