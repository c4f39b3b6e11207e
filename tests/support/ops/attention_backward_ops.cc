// Op cases of AttentionBackward.

#include <algorithm>
#include <cmath>

#include "tests/support/ops/attention_ops.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

double RoundedTo(float value, DType dtype) {
  return static_cast<double>(dtype == DType::kBf16 ? static_cast<float>(BFloat16(value)) : value);
}

double Dot(const double* a, const double* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

std::vector<double> RoundedTo(const std::vector<float>& values, DType dtype) {
  std::vector<double> rounded;
  for (const float value : values) rounded.push_back(RoundedTo(value, dtype));
  return rounded;
}

}  // namespace

AttentionGradients ReferenceAttentionGradients(const AttentionHeads& heads,
                                               const AttentionText& text,
                                               const std::vector<float>& dy) {
  const int64_t dim = heads.head_dim, group = heads.num_heads / heads.num_kv_heads;
  const double scale = static_cast<double>(heads.scale());
  const std::vector<double> q = RoundedTo(text.q, heads.dtype), k = RoundedTo(text.k, heads.dtype),
                            v = RoundedTo(text.v, heads.dtype), d = RoundedTo(dy, DType::kF32);
  AttentionGradients g{std::vector<double>(q.size()), std::vector<double>(k.size()),
                       std::vector<double>(v.size())};
  for (int64_t i = 0; i < text.length; ++i) {
    const int64_t first = heads.window > 0 ? std::max<int64_t>(i - heads.window + 1, 0) : 0;
    for (int64_t head = 0; head < heads.num_heads; ++head) {
      const int64_t row = i * heads.q_width() + head * dim;
      const auto key = [&](int64_t j) { return j * heads.kv_width() + head / group * dim; };
      std::vector<double> p, dp;
      double best = -1e300, sum = 0, delta = 0;
      for (int64_t j = first; j <= i; ++j) {
        p.push_back(scale *
                    Dot(&q[static_cast<size_t>(row)], &k[static_cast<size_t>(key(j))], dim));
        dp.push_back(Dot(&d[static_cast<size_t>(row)], &v[static_cast<size_t>(key(j))], dim));
        best = std::max(best, p.back());
      }
      for (double& value : p) sum += value = std::exp(value - best);
      for (size_t j = 0; j < p.size(); ++j) delta += (p[j] /= sum) * dp[j];
      for (int64_t j = first; j <= i; ++j) {
        const auto at = static_cast<size_t>(j - first);
        const double ds = p[at] * (dp[at] - delta) * scale;
        for (int64_t e = 0; e < dim; ++e) {
          const auto r = static_cast<size_t>(row + e), c = static_cast<size_t>(key(j) + e);
          g.dq[r] += ds * k[c];
          g.dk[c] += ds * q[r];
          g.dv[c] += p[at] * d[r];
        }
      }
    }
  }
  return g;
}

namespace {

class AttentionBackwardOp : public OpRun {
 public:
  AttentionBackwardOp(Context& context, const AttentionShape& shape)
      : OpRun(context), forward_(context, shape) {
    const AttentionHeads& heads = shape.heads;
    const Shape q_shape = forward_.q.shape();
    const Shape kv_shape{q_shape[0], heads.num_kv_heads, heads.head_dim};
    statistics_ = Tensor(DType::kF32, {q_shape[0], heads.num_heads, 2}, context.device);
    Attention(context, {.q = forward_.q,
                        .batch = forward_.batch.view(),
                        .pool = forward_.pool,
                        .layer = AttentionOp::kLayer,
                        .scale = heads.scale(),
                        .window = heads.window,
                        .y = forward_.y,
                        .statistics = statistics_});
    dy_ = tensors_.Input(NormalTensor(q_shape, 51));
    dq_ = tensors_.Output(DType::kF32, q_shape);
    dk_ = tensors_.Output(DType::kF32, kv_shape);
    dv_ = tensors_.Output(DType::kF32, kv_shape);
  }

  void Run(Context& context) override {
    AttentionBackward(context, {.q = forward_.q,
                                .batch = forward_.batch.view(),
                                .pool = forward_.pool,
                                .layer = AttentionOp::kLayer,
                                .scale = forward_.shape.heads.scale(),
                                .window = forward_.shape.heads.window,
                                .y = forward_.y,
                                .statistics = statistics_,
                                .dy = dy_,
                                .dq = dq_,
                                .dk = dk_,
                                .dv = dv_});
  }

  std::vector<std::vector<double>> Reference() const override {
    std::vector<std::vector<double>> want(3);
    const AttentionHeads& heads = forward_.shape.heads;
    const float* dy = dy_.data<float>();
    for (const AttentionText& text : forward_.texts()) {
      const int64_t count = text.length * heads.q_width();
      const AttentionGradients g =
          ReferenceAttentionGradients(heads, text, std::vector<float>(dy, dy + count));
      dy += count;
      want[0].insert(want[0].end(), g.dq.begin(), g.dq.end());
      want[1].insert(want[1].end(), g.dk.begin(), g.dk.end());
      want[2].insert(want[2].end(), g.dv.begin(), g.dv.end());
    }
    return want;
  }

 private:
  AttentionOp forward_;
  Tensor statistics_;
  ConstTensorView dy_;
  TensorView dq_, dk_, dv_;
};

OpCase BackwardCase(OpUse use, const AttentionShape& s) {
  int64_t tokens = 0, pairs = 0;  // a pair: a token and a key that it sees
  for (const SequenceShape& sequence : s.sequences) {
    tokens += sequence.context_len;
    pairs += sequence.context_len * (sequence.context_len + 1) / 2;
  }
  const AttentionHeads& h = s.heads;
  return {.op = "attention_backward",
          .shape = s.Label(),
          .dtype = std::string(Name(h.dtype)),
          .use = use,
          .bytes = tokens * (h.q_width() * (12 + SizeOf(h.y_dtype)) +
                             h.kv_width() * 2 * (4 + SizeOf(h.dtype))),
          .flops = pairs * h.num_heads * (10 * h.head_dim + kExpFlops),
          .unit = OpUnit::kF32,
          .tolerance = h.dtype,
          .bits = OpBits::kOfInstructionSet,
          .device = {.rate = DeviceRate::kProducts,
                     .product_flops = pairs * h.num_heads * 10 * h.head_dim,
                     .must = 100,
                     .aim = 160},
          .prepare = [s](Context& context) {
            return std::make_unique<AttentionBackwardOp>(context, s);
          }};
}

AttentionShape Whole(const AttentionHeads& heads, const std::vector<int64_t>& lengths) {
  AttentionShape shape{.heads = heads, .sequences = {}};
  for (const int64_t length : lengths) shape.sequences.push_back({length, length});
  return shape;
}

}  // namespace

void AddAttentionBackwardCases(std::vector<OpCase>& cases) {
  for (const int64_t head_dim : {64, 96, 128}) {
    AttentionHeads heads{.num_heads = 16, .num_kv_heads = 4, .head_dim = head_dim};
    heads.dtype = heads.y_dtype = DType::kBf16;
    cases.push_back(BackwardCase(OpUse::kDeviceBench, Whole(heads, {2048, 2048, 2048, 2048})));
    heads.num_heads = 2, heads.num_kv_heads = 1;
    cases.push_back(BackwardCase(OpUse::kDeviceTiny, Whole(heads, {33, 33})));
  }
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const auto test = [&](AttentionHeads heads, const std::vector<int64_t>& lengths) {
      heads.dtype = heads.y_dtype = dtype;
      cases.push_back(BackwardCase(OpUse::kTest, Whole(heads, lengths)));
    };
    test({.num_heads = 2, .num_kv_heads = 2, .head_dim = 8}, {2, 1});
    test({.num_heads = 4, .num_kv_heads = 2, .head_dim = 8}, {5, 1, 70, 64});
    test({.num_heads = 4, .num_kv_heads = 1, .head_dim = 24}, {130, 3});
    test({.num_heads = 8, .num_kv_heads = 2, .head_dim = 64}, {65, 17});
    test({.num_heads = 2, .num_kv_heads = 1, .head_dim = 96}, {129});
    test({.num_heads = 2, .num_kv_heads = 1, .head_dim = 16, .window = 20}, {200, 19});
    test({.num_heads = 2, .num_kv_heads = 2, .head_dim = 16, .window = 64}, {300});
    test({.num_heads = 1, .num_kv_heads = 1, .head_dim = 8, .window = 2}, {70});
    test({.num_heads = 2, .num_kv_heads = 1, .head_dim = 16}, {700});  // two segments
    test({.num_heads = 5, .num_kv_heads = 1, .head_dim = 64}, {200, 1, 33});
    test({.num_heads = 2, .num_kv_heads = 2, .head_dim = 32, .window = 50}, {300, 64});
    for (const int64_t length : {512, 2048}) {
      AttentionHeads heads{.num_heads = 8, .num_kv_heads = 2, .head_dim = 64};
      heads.dtype = heads.y_dtype = dtype;
      cases.push_back(BackwardCase(
          OpUse::kBench,
          Whole(heads, std::vector<int64_t>(static_cast<size_t>(4096 / length), length))));
    }
  }
}

}  // namespace tandem
