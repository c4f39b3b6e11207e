// Op cases of KvWrite and AttentionInputs: one step writes the new tokens of ragged sequences to
// scattered pages.

#include <algorithm>

#include "kernels/attention_inputs.h"
#include "kernels/cpu/kv_page_layout.h"
#include "tests/support/ops/attention_ops.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

void Put(std::byte* page, DType dtype, int64_t element, float value) {
  if (dtype == DType::kF32) {
    reinterpret_cast<float*>(page)[element] = value;
  } else {
    reinterpret_cast<BFloat16*>(page)[element] = BFloat16(value);
  }
}

// One token's k and v [num_kv_heads, head_dim] of AttentionOp::kLayer.
void PutToken(KvPool& pool, int64_t page_id, int64_t slot, const float* k, const float* v) {
  const KvLayout& layout = pool.layout();
  const cpu::PageLayout page(layout);
  std::byte* at = pool.layer(AttentionOp::kLayer) + page_id * layout.layer_page_bytes();
  for (int64_t head = 0; head < layout.num_kv_heads; ++head) {
    const int64_t first = head * page.head_words() * page.unit;
    for (int64_t d = 0; d < layout.head_dim; ++d) {
      const int64_t from = head * layout.head_dim + d;
      Put(at, layout.dtype, first + page.KeyIndex(slot, d), k[from]);
      Put(at, layout.dtype, first + page.ValueIndex(slot, d), v[from]);
    }
  }
}

// Calls put(page id, slot, position) for the new tokens in their order. `batch` is on the CPU.
template <typename PutOne>
void ForNewTokens(const std::vector<SequenceShape>& sequences, const OwnedBatch& batch,
                  const PutOne& put) {
  for (size_t s = 0; s < sequences.size(); ++s) {
    const SequenceShape& sequence = sequences[s];
    const int32_t* table =
        batch.page_tables.data<int32_t>() + static_cast<int64_t>(s) * batch.page_tables.shape()[1];
    for (int64_t p = sequence.context_len - sequence.new_tokens; p < sequence.context_len; ++p) {
      put(table[p / 16], p % 16, p);
    }
  }
}

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
    const float* k = k_.data<float>();
    const float* v = v_.data<float>();
    ForNewTokens(sequences_, batch_, [&](int64_t page_id, int64_t slot, int64_t) {
      PutToken(want, page_id, slot, k, v);
      k += heads_.kv_width();
      v += heads_.kv_width();
    });
    return {ToDoubles(WordsOf(want, kCpuDevice))};
  }

 private:
  static constexpr int kStale = 0x11;

  static ConstTensorView WordsOf(const KvPool& pool, Device device) {
    return {pool.layer(0), DType::kI32, Shape{pool.num_pages() * pool.layout().page_bytes() / 4},
            device};
  }

  Device device_;
  AttentionHeads heads_;
  std::vector<SequenceShape> sequences_;
  OwnedBatch batch_;
  KvPool pool_;
  ConstTensorView k_, v_;  // [tokens, num_kv_heads, head_dim], f32
};

struct AttentionInputsShape {
  AttentionShape attention;
  bool with_norm = false;
};

int64_t NumTokens(const AttentionShape& shape) {
  int64_t tokens = 0;
  for (const SequenceShape& sequence : shape.sequences) tokens += sequence.new_tokens;
  return tokens;
}

int64_t LongestContext(const AttentionShape& shape) {
  int64_t longest = 0;
  for (const SequenceShape& s : shape.sequences) longest = std::max(longest, s.context_len);
  return longest;
}

// The outputs are q and the whole pool, as the numbers that it holds.
class AttentionInputsOp : public OpRun {
 public:
  AttentionInputsOp(Context& context, const AttentionInputsShape& shape)
      : OpRun(context),
        device_(context.device),
        heads_(shape.attention.heads),
        sequences_(shape.attention.sequences),
        batch_(sequences_),
        pool_(LayoutOf(heads_), batch_.num_pages),
        table_({.head_dim = heads_.head_dim, .max_positions = LongestContext(shape.attention)},
               context.device) {
    table_.Reserve(context, LongestContext(shape.attention));
    const int64_t tokens = batch_.num_tokens, dim = heads_.head_dim;
    std::vector<int32_t> positions;
    ForNewTokens(sequences_, batch_, [&](int64_t, int64_t, int64_t position) {
      positions.push_back(static_cast<int32_t>(position));
    });
    positions_ = tensors_.Input(Integers(positions, {tokens}));
    qkv_ = tensors_.Input(NormalTensor({tokens, heads_.q_width() + 2 * heads_.kv_width()}, 17));
    if (shape.with_norm) {
      q_norm_ = tensors_.Input(NormalTensor({dim}, 18));
      k_norm_ = tensors_.Input(NormalTensor({dim}, 19));
    }
    q_ = tensors_.Output(DType::kF32, {tokens, heads_.num_heads, dim});
    FillPool(pool_, kStale);
    pool_ = Placed(context, std::move(pool_));
    batch_.MoveTo(context);
  }

  void Reset() override {
    OpRun::Reset();
    FillPool(pool_, kStale);
  }

  void Run(Context& context) override {
    AttentionInputs(context, {.qkv = qkv_,
                              .positions = positions_,
                              .table = table_,
                              .q_norm = q_norm_,
                              .k_norm = k_norm_,
                              .eps = kEps,
                              .batch = batch_.view(),
                              .pool = pool_,
                              .layer = AttentionOp::kLayer,
                              .q = q_});
  }

  std::vector<ConstTensorView> Outputs() const override { return {q_, NumbersOf(pool_, device_)}; }

  std::vector<std::vector<double>> Reference() const override {
    KvPool want(pool_.layout(), pool_.num_pages());
    FillPool(want, kStale);
    const std::vector<double> qkv = ToDoubles(qkv_);
    std::vector<double> q;
    const double* x = qkv.data();
    ForNewTokens(sequences_, batch_, [&](int64_t page_id, int64_t slot, int64_t position) {
      const std::vector<double> queries = NormedAndTurned(x, heads_.num_heads, q_norm_, position);
      q.insert(q.end(), queries.begin(), queries.end());
      x += heads_.q_width();
      const std::vector<double> keys = NormedAndTurned(x, heads_.num_kv_heads, k_norm_, position);
      x += heads_.kv_width();
      const std::vector<float> k(keys.begin(), keys.end()), v(x, x + heads_.kv_width());
      PutToken(want, page_id, slot, k.data(), v.data());
      x += heads_.kv_width();
    });
    return {q, ToDoubles(NumbersOf(want, kCpuDevice))};
  }

 private:
  static constexpr int kStale = 0x40;  // about 3, in both dtypes
  static constexpr float kEps = 1e-5f;

  static ConstTensorView NumbersOf(const KvPool& pool, Device device) {
    const KvLayout& layout = pool.layout();
    return {pool.layer(0), layout.dtype,
            Shape{pool.num_pages() * layout.page_bytes() / SizeOf(layout.dtype)}, device};
  }

  std::vector<double> NormedAndTurned(const double* x, int64_t num_heads, ConstTensorView weight,
                                      int64_t position) const {
    const int64_t dim = heads_.head_dim, half = dim / 2;
    const float* angles = table_.rows().data<float>() + position * dim;
    std::vector<double> want;
    for (int64_t head = 0; head < num_heads; ++head, x += dim) {
      std::vector<double> y(x, x + dim);
      if (!weight.empty()) {
        double squares = 0.0;
        for (const double value : y) squares += value * value;
        const double scale =
            1.0 / std::sqrt(squares / static_cast<double>(dim) + static_cast<double>(kEps));
        for (int64_t i = 0; i < dim; ++i) {
          y[static_cast<size_t>(i)] *= scale * static_cast<double>(weight.data<float>()[i]);
        }
      }
      for (int64_t i = 0; i < dim; ++i) {
        const auto at = static_cast<size_t>(i), other = static_cast<size_t>((i + half) % dim);
        const auto cosine = static_cast<double>(angles[i % half]);
        const auto sine = static_cast<double>(angles[i % half + half]);
        want.push_back(y[at] * cosine + (i < half ? -y[other] : y[other]) * sine);
      }
    }
    return want;
  }

  Device device_;
  AttentionHeads heads_;
  std::vector<SequenceShape> sequences_;
  OwnedBatch batch_;
  KvPool pool_;
  RopeTable table_;
  ConstTensorView positions_, qkv_, q_norm_, k_norm_;
  TensorView q_;
};

OpCase KvWriteCase(OpUse use, const AttentionShape& s) {
  const int64_t tokens = NumTokens(s);
  return {.op = "kv_write",
          .shape = s.Label(),
          .dtype = std::string(Name(s.heads.dtype)),
          .use = use,
          .bytes = 2 * tokens * s.heads.kv_width() * (4 + SizeOf(s.heads.dtype)),
          .prepare = [s](Context& context) { return std::make_unique<KvWriteOp>(context, s); }};
}

OpCase AttentionInputsCase(OpUse use, const AttentionInputsShape& s) {
  const AttentionHeads& heads = s.attention.heads;
  const int64_t tokens = NumTokens(s.attention);
  const int64_t turned = tokens * (heads.q_width() + heads.kv_width());
  return {
      .op = "attention_inputs",
      .shape = s.attention.Label() + (s.with_norm ? " normed" : ""),
      .dtype = std::string(Name(heads.dtype)),
      .use = use,
      .bytes =
          tokens * (4 + 8 * heads.q_width() + 2 * heads.kv_width() * (4 + SizeOf(heads.dtype))) +
          (tokens > 0 ? 4 * LongestContext(s.attention) * heads.head_dim : 0),
      .flops = turned * (s.with_norm ? 7 : 3),
      .prepare = [s](Context& context) { return std::make_unique<AttentionInputsOp>(context, s); }};
}

// Prompts, then one token.
void AddAttentionInputsDeviceCases(OpUse use, std::vector<OpCase>& cases) {
  const bool tiny = use == OpUse::kDeviceTiny;
  const auto add = [&](const AttentionHeads& heads, int64_t count, SequenceShape sequence,
                       DeviceRow device) {
    const std::vector<SequenceShape> sequences(static_cast<size_t>(count), sequence);
    cases.push_back(AttentionInputsCase(use, {{heads, sequences}, heads.head_dim == 128}));
    cases.back().device = device;
  };
  const AttentionHeads of_26m{.dtype = DType::kBf16};
  const AttentionHeads large{
      .num_heads = 32, .num_kv_heads = 8, .head_dim = 128, .dtype = DType::kBf16};
  const SequenceShape whole = tiny ? SequenceShape{20, 20} : SequenceShape{512, 512};
  const DeviceRow copy{.must = 0.85, .aim = 0.92};
  const DeviceRow one_token{.rate = DeviceRate::kTime};  // no goal was set
  add(of_26m, tiny ? 2 : 128, whole, copy);
  add(large, tiny ? 1 : 32, whole, copy);
  add(of_26m, 1, {1, whole.context_len}, one_token);
  add(large, 1, {1, whole.context_len}, one_token);
}

}  // namespace

void AddKvCases(std::vector<OpCase>& cases) {
  AddAttentionInputsDeviceCases(OpUse::kDeviceBench, cases);
  AddAttentionInputsDeviceCases(OpUse::kDeviceTiny, cases);
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    std::vector<AttentionShape> shapes = SmallAttentionShapes(dtype);
    for (const AttentionShape& shape : shapes) {
      cases.push_back(KvWriteCase(OpUse::kTest, shape));
    }
    shapes.push_back({{.num_heads = 2, .num_kv_heads = 1, .dtype = dtype}, {{0, 3}}});
    shapes.push_back({{3, 3, 80, 0, dtype}, {{2, 2}, {1, 40}}});
    shapes.push_back({{4, 2, 128, 0, dtype}, {{1, 17}, {3, 3}}});
    for (const AttentionShape& shape : shapes) {
      cases.push_back(AttentionInputsCase(OpUse::kTest, {shape, false}));
      cases.push_back(AttentionInputsCase(OpUse::kTest, {shape, true}));
    }
  }
  const AttentionHeads heads{.dtype = DType::kBf16};
  const std::vector<SequenceShape> decode(16, {1, 512});
  for (const auto& sequences : {std::vector<SequenceShape>{{512, 512}}, decode}) {
    cases.push_back(KvWriteCase(OpUse::kBench, {heads, sequences}));
    cases.push_back(AttentionInputsCase(OpUse::kBench, {{heads, sequences}, false}));
    cases.push_back(AttentionInputsCase(OpUse::kBench, {{heads, sequences}, true}));
  }
}

}  // namespace tandem
