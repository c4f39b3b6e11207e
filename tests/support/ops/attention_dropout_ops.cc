// Op cases of DropoutAttention and its backward.

#include "kernels/attention_dropout.h"

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

std::vector<double> RoundedTo(const std::vector<float>& values, DType dtype) {
  std::vector<double> rounded;
  for (const float value : values) rounded.push_back(RoundedTo(value, dtype));
  return rounded;
}

double Dot(const double* a, const double* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// One text's attention and gradients, its first token being token `first_token` of the batch.
struct DroppedText {
  std::vector<double> y, dq, dk, dv;

  DroppedText(const AttentionHeads& heads, const AttentionText& text, const DropoutMask& mask,
              int64_t first_token, const float* dy_values)
      : y(text.q.size()), dq(text.q.size()), dk(text.k.size()), dv(text.v.size()) {
    const std::vector<double> q = RoundedTo(text.q, heads.dtype),
                              k = RoundedTo(text.k, heads.dtype),
                              v = RoundedTo(text.v, heads.dtype),
                              dy(dy_values, dy_values + text.q.size());
    const int64_t dim = heads.head_dim;
    const double scale = static_cast<double>(heads.scale());
    for (int64_t i = 0; i < text.length; ++i) {
      const int64_t first = heads.window > 0 ? std::max<int64_t>(i - heads.window + 1, 0) : 0;
      for (int64_t head = 0; head < heads.num_heads; ++head) {
        const auto row = static_cast<size_t>(i * heads.q_width() + head * dim);
        const int64_t kv_head = head / (heads.num_heads / heads.num_kv_heads);
        const auto key = [&](size_t j) {
          return static_cast<size_t>((first + static_cast<int64_t>(j)) * heads.kv_width() +
                                     kv_head * dim);
        };
        const auto count = static_cast<size_t>(i - first + 1);
        std::vector<float> factors(count);
        const auto number = static_cast<uint64_t>((first_token + i) * heads.num_heads + head);
        mask.Fill((number << kDropoutKeyBits) + static_cast<uint64_t>(first), i - first + 1,
                  factors.data());
        std::vector<double> p, dp;
        for (size_t j = 0; j < count; ++j) {
          p.push_back(scale * Dot(&q[row], &k[key(j)], dim));
          dp.push_back(Dot(&dy[row], &v[key(j)], dim));
        }
        const double best = *std::max_element(p.begin(), p.end());
        double sum = 0, delta = 0;
        for (double& value : p) sum += value = std::exp(value - best);
        for (size_t j = 0; j < count; ++j) {
          p[j] /= sum;
          delta += static_cast<double>(factors[j]) * p[j] * dp[j];
        }
        for (size_t j = 0; j < count; ++j) {
          const double factor = static_cast<double>(factors[j]);
          const double ds = p[j] * (factor * dp[j] - delta) * scale;
          for (size_t e = 0; e < static_cast<size_t>(dim); ++e) {
            y[row + e] += factor * p[j] * v[key(j) + e];
            dq[row + e] += ds * k[key(j) + e];
            dk[key(j) + e] += ds * q[row + e];
            dv[key(j) + e] += factor * p[j] * dy[row + e];
          }
        }
      }
    }
  }
};

enum class Pass : uint8_t { kForward, kBackward };

class DropoutAttentionOp : public OpRun {
 public:
  DropoutAttentionOp(Context& context, const AttentionShape& shape, Pass pass)
      : OpRun(context), pass_(pass), forward_(context, shape) {
    const Shape q_shape = forward_.q.shape();
    const Shape kv_shape{q_shape[0], shape.heads.num_kv_heads, shape.heads.head_dim};
    dy_ = tensors_.Input(NormalTensor(q_shape, 51));
    if (pass == Pass::kForward) {
      y_ = tensors_.Output(shape.heads.y_dtype, q_shape);
    } else {
      dq_ = tensors_.Output(DType::kF32, q_shape);
      dk_ = tensors_.Output(DType::kF32, kv_shape);
      dv_ = tensors_.Output(DType::kF32, kv_shape);
    }
  }

  void Run(Context& context) override {
    const AttentionHeads& heads = forward_.shape.heads;
    if (pass_ == Pass::kForward) {
      const AttentionArgs attention{.q = forward_.q,
                                    .batch = forward_.batch.view(),
                                    .pool = forward_.pool,
                                    .layer = AttentionOp::kLayer,
                                    .scale = heads.scale(),
                                    .window = heads.window,
                                    .y = y_};
      return DropoutAttention(context, {.attention = attention, .mask = mask_});
    }
    const AttentionBackwardArgs attention{.q = forward_.q,
                                          .batch = forward_.batch.view(),
                                          .pool = forward_.pool,
                                          .layer = AttentionOp::kLayer,
                                          .scale = heads.scale(),
                                          .window = heads.window,
                                          .y = {},
                                          .statistics = {},
                                          .dy = dy_,
                                          .dq = dq_,
                                          .dk = dk_,
                                          .dv = dv_};
    DropoutAttentionBackward(context, {.attention = attention, .mask = mask_});
  }

  std::vector<std::vector<double>> Reference() const override {
    const AttentionHeads& heads = forward_.shape.heads;
    std::vector<std::vector<double>> want(pass_ == Pass::kForward ? 1 : 3);
    const auto append = [](std::vector<double>& to, const std::vector<double>& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    int64_t token = 0;
    for (const AttentionText& text : forward_.texts()) {
      const DroppedText dropped(heads, text, mask_, token,
                                dy_.data<float>() + token * heads.q_width());
      token += text.length;
      append(want[0], pass_ == Pass::kForward ? dropped.y : dropped.dq);
      if (pass_ == Pass::kForward) continue;
      append(want[1], dropped.dk);
      append(want[2], dropped.dv);
    }
    return want;
  }

 private:
  Pass pass_;
  AttentionOp forward_;
  DropoutMask mask_{{.share = 0.3, .seed = 4}, DropoutPlace::kAttentionWeights, 1};
  ConstTensorView dy_;
  TensorView y_, dq_, dk_, dv_;
};

OpCase Case(OpUse use, const AttentionShape& s, Pass pass) {
  const bool is_forward = pass == Pass::kForward;
  int64_t tokens = 0, pairs = 0;  // a pair: a token and a key that it sees
  for (const SequenceShape& sequence : s.sequences) {
    tokens += sequence.context_len;
    pairs += sequence.context_len * (sequence.context_len + 1) / 2;
  }
  const AttentionHeads& h = s.heads;
  const int64_t q_bytes = is_forward ? 4 + SizeOf(h.y_dtype) : 12;
  const int64_t kv_bytes = SizeOf(h.dtype) + (is_forward ? 0 : 4);
  return {.op = is_forward ? "dropout_attention" : "dropout_attention_backward",
          .shape = s.Label(),
          .dtype = std::string(Name(h.dtype)),
          .use = use,
          .bytes = tokens * (h.q_width() * q_bytes + h.kv_width() * 2 * kv_bytes),
          .flops = pairs * h.num_heads * ((is_forward ? 4 : 10) * h.head_dim + kExpFlops),
          .unit = OpUnit::kF32,
          .tolerance = DType::kF32,
          .bits = OpBits::kOfOp,
          .prepare = [s, pass](Context& context) {
            return std::make_unique<DropoutAttentionOp>(context, s, pass);
          }};
}

}  // namespace

void AddDropoutAttentionCases(std::vector<OpCase>& cases) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (AttentionShape shape : std::vector<AttentionShape>{
             {{.num_heads = 4, .num_kv_heads = 2, .head_dim = 24}, {{40, 40}, {1, 1}, {67, 67}}},
             {{.num_heads = 3, .num_kv_heads = 3, .head_dim = 16, .window = 9}, {{50, 50}}},
             {{.num_heads = 2, .num_kv_heads = 1, .head_dim = 64}, {{33, 33}, {5, 5}}}}) {
      shape.heads.dtype = shape.heads.y_dtype = dtype;
      cases.push_back(Case(OpUse::kTest, shape, Pass::kForward));
      cases.push_back(Case(OpUse::kTest, shape, Pass::kBackward));
    }
    const AttentionShape large{{.dtype = dtype, .y_dtype = dtype}, {{256, 256}, {256, 256}}};
    cases.push_back(Case(OpUse::kBench, large, Pass::kForward));
    cases.push_back(Case(OpUse::kBench, large, Pass::kBackward));
  }
}

}  // namespace tandem
