// What the op table does not show of a mixture of experts on CUDA: routing and permutation are the
// CPU's exactly, and a group's rows have the bits of the plain products, wherever they lie and
// however many groups there are.

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "kernels/activation.h"
#include "kernels/cuda/ops.h"
#include "kernels/moe.h"
#include "kernels/quantize.h"
#include "tests/cuda_on_cpu/on_cuda.h"
#include "tests/support/ops/matmul_ops.h"
#include "tests/support/ops/moe_ops.h"
#include "tests/support/ops/op_case.h"
#include "tests/support/ops/operands.h"
#include "tests/support/tolerances.h"

namespace tandem {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class CudaMoe : public OnCuda, public testing::WithParamInterface<cuda_on_cpu::Schedule> {
 protected:
  CudaMoe() { cuda_on_cpu::SetSchedule(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(InEverySchedule, CudaMoe, testing::ValuesIn(AllSchedules()),
                         [](const auto& schedule) { return std::to_string(schedule.index); });

bool SameBytes(ConstTensorView a, ConstTensorView b) {
  return a.size_bytes() == b.size_bytes() &&
         (a.size_bytes() == 0 ||
          std::memcmp(a.bytes(), b.bytes(), static_cast<size_t>(a.size_bytes())) == 0);
}

// ---- Routing ----

struct Routed {
  Tensor experts, weights;
};

Routed Route(Context& context, ConstTensorView logits, int64_t top_k, MoeScore score,
             bool renormalise) {
  Routed routed{Tensor(DType::kI32, {logits.dim(0), top_k}),
                Tensor(DType::kF32, {logits.dim(0), top_k})};
  MoeRoute(context, {.logits = logits,
                     .score = score,
                     .renormalise = renormalise,
                     .experts = routed.experts,
                     .weights = routed.weights});
  return routed;
}

// Bits, but for NaN.
void ExpectSame(const Routed& got, const Routed& want) {
  EXPECT_TRUE(SameBytes(got.experts, want.experts));
  for (int64_t i = 0; i < want.weights.shape().num_elements(); ++i) {
    const float a = got.weights.data<float>()[i], b = want.weights.data<float>()[i];
    ASSERT_TRUE((std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof(a)) == 0)
        << i << ": " << a << " for " << b;
  }
}

// Steps of 1/4: many ties. Every third token has some of what is not finite, or nothing else.
Tensor Logits(int64_t tokens, int64_t num_experts) {
  Tensor logits = NormalTensor({tokens, num_experts}, 5, 2.0f);
  const float special[] = {std::nanf(""), kInfinity, -kInfinity, 100.0f};
  for (int64_t t = 0; t < tokens; ++t) {
    float* row = logits.data<float>() + t * num_experts;
    for (int64_t e = 0; e < num_experts; ++e) {
      if (t % 2 == 0) row[e] = std::round(row[e] * 4) / 4;
      if (t % 3 == 2 && (e + t) % 5 < t / 12 + 1) row[e] = special[t / 3 % 4];
    }
  }
  return logits;
}

TEST_P(CudaMoe, RoutesAsTheCpuDoes) {
  struct Shape3 {
    int64_t tokens, num_experts, top_k;
  };
  for (const Shape3& s : {Shape3{70, 4, 2},
                          {70, 1, 1},
                          {70, 16, 16},
                          {61, 33, 8},
                          {70, 60, 4},
                          {40, 128, 8},
                          {13, 1000, 35},
                          {5, 1024, 1}}) {
    for (const MoeScore score : {MoeScore::kSoftmax, MoeScore::kSigmoid}) {
      for (const bool renormalise : {false, true}) {
        SCOPED_TRACE(std::to_string(s.num_experts) + " experts, top " + std::to_string(s.top_k) +
                     (score == MoeScore::kSigmoid ? ", sigmoid" : ""));
        const Tensor logits = Logits(s.tokens, s.num_experts);
        const Routed want = Route(on_cpu_, logits, s.top_k, score, renormalise);
        ExpectSame(Route(on_cuda_, logits, s.top_k, score, renormalise), want);
        // A token alone.
        const Routed one =
            Route(on_cuda_, logits.view().Rows(s.tokens - 1, 1), s.top_k, score, renormalise);
        EXPECT_TRUE(SameBytes(one.experts, want.experts.view().Rows(s.tokens - 1, 1)));
      }
    }
  }
}

// ---- Permuting and gathering ----

TEST_P(CudaMoe, PermutesAsTheCpuDoes) {
  struct Case {
    int64_t tokens, top_k;
    int32_t num_experts, used;  // of them
  };
  for (const Case& c : {Case{0, 2, 4, 4},
                        {1, 1, 1, 1},
                        {3, 2, 4, 4},
                        {517, 3, 60, 60},
                        {2000, 8, 256, 256},
                        {1500, 4, 128, 1},
                        {777, 2, 1024, 1000}}) {
    SCOPED_TRACE(std::to_string(c.tokens) + " x " + std::to_string(c.top_k) + " of " +
                 std::to_string(c.num_experts));
    Tensor experts(DType::kI32, {c.tokens, c.top_k});
    std::mt19937 generator(7);
    for (int64_t i = 0; i < c.tokens * c.top_k; ++i) {
      const auto random = static_cast<int32_t>(generator() % static_cast<uint32_t>(c.used));
      experts.data<int32_t>()[i] = c.used == 1 ? c.num_experts - 1 : random;
    }
    const auto permute = [&](Context& context) {
      std::array<Tensor, 3> outputs = {Tensor(DType::kI32, {c.num_experts + 1}),
                                       Tensor(DType::kI32, {c.tokens, c.top_k}),
                                       Tensor(DType::kI32, {c.tokens * c.top_k})};
      MoePermute(context, {.experts = experts,
                           .num_experts = c.num_experts,
                           .offsets = outputs[0],
                           .row_of = outputs[1],
                           .token_of = outputs[2]});
      return outputs;
    };
    const std::array<Tensor, 3> got = permute(on_cuda_), want = permute(on_cpu_);
    for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(SameBytes(got[i], want[i])) << "output " << i;
  }
}

TEST_P(CudaMoe, GathersRowsOfEveryTypeAndWidth) {
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kI8}) {
    for (const int64_t width : {1, 2, 7, 16, 48, 200}) {
      Tensor x(dtype, {9, width});
      std::mt19937 generator(3);
      for (int64_t i = 0; i < x.size_bytes(); ++i) {
        x.view().bytes()[i] = static_cast<std::byte>(generator());
      }
      const Tensor rows = Integers({8, 0, 3, 3, 7, 1, 8, 2, 4, 5, 6}, {11});
      Tensor want(dtype, {11, width}), got(dtype, {11, width});
      GatherRows(on_cpu_, {.x = x, .rows = rows, .y = want});
      GatherRows(on_cuda_, {.x = x, .rows = rows, .y = got});
      EXPECT_TRUE(SameBytes(got, want)) << Name(dtype) << " width " << width;
    }
  }
}

// ---- Grouped products ----

std::vector<int32_t> OffsetsOf(const std::vector<int32_t>& counts) {
  std::vector<int32_t> offsets = {0};
  for (const int32_t count : counts) offsets.push_back(offsets.back() + count);
  return offsets;
}

// So many rows that a group is several tiles; more groups than a launch takes, few of them with
// rows; and as decoding has it, one row to a group.
std::vector<std::vector<int32_t>> GroupSizes() {
  std::vector<int32_t> many(300, 0), scattered(140, 0);
  for (size_t i = 0; i < many.size(); i += 7) many[i] = static_cast<int32_t>(i % 5);
  scattered[127] = 70;
  scattered[128] = 1;
  scattered[3] = 2;
  return {{3, 0, 33, 4, 130, 0}, {64, 64, 1}, {0, 0, 0}, {1, 1, 0, 1}, many, scattered};
}

TEST_P(CudaMoe, GroupedRowsHaveTheBitsOfMatmul) {
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF16, DType::kI8}) {
    for (const std::vector<int32_t>& counts : GroupSizes()) {
      const int64_t k = counts.size() > 100 ? 24 : 172, n = counts.size() > 100 ? 65 : 100;
      const std::vector<int32_t> offsets = OffsetsOf(counts);
      const auto num_groups = static_cast<int64_t>(counts.size());
      const int64_t num_rows = offsets.back();
      SCOPED_TRACE(std::string(Name(dtype)) + ", " + std::to_string(num_groups) + " groups, " +
                   std::to_string(num_rows) + " rows");
      std::vector<Tensor> rows_of_w;
      for (int64_t group = 0; group < num_groups; ++group) {
        rows_of_w.push_back(RandomTensor({n, k}, static_cast<uint64_t>(group)));
      }
      OpMatrices matrices(on_cuda_, rows_of_w, dtype);
      const std::span<const PackedMatrix> w = matrices.On(on_cuda_);
      const MatmulOperand x = MakeMatmulOperand(on_cpu_, RandomTensor({num_rows, k}, 1000), dtype);
      Tensor got(DType::kF32, {num_rows, n}), want(DType::kF32, {num_rows, n});
      MatmulGrouped(on_cuda_, {.x = x.x,
                               .x_scales = x.scales_view(),
                               .offsets = Integers(offsets, {num_groups + 1}),
                               .w = w,
                               .y = got});
      for (int64_t group = 0; group < num_groups; ++group) {
        const auto i = static_cast<size_t>(group);
        const int64_t first = offsets[i], count = counts[i];
        const ConstTensorView scales = x.scales_view();
        Matmul(on_cuda_, {.x = x.x.view().Rows(first, count),
                          .x_scales = scales.empty() ? scales : scales.Rows(first, count),
                          .w = w[i],
                          .y = want.view().Rows(first, count)});
      }
      ASSERT_TRUE(SameBytes(got, want));
    }
  }
}

// Gathering in the load and SwiGLU in the end, against the ops apart; where a gate's width is not
// of whole pieces, too.
TEST_P(CudaMoe, GatheredAndActivatedRowsHaveTheBitsOfTheOpsApart) {
  constexpr int64_t kTokens = 19;
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF16, DType::kI8}) {
    for (const DType to : {DType::kF32, DType::kBf16}) {
      for (const auto& [width, k] :
           std::vector<std::pair<int64_t, int64_t>>{{32, 64}, {96, 172}, {50, 40}, {128, 80}}) {
        SCOPED_TRACE(std::string(Name(dtype)) + " to " + std::string(Name(to)) + ", width " +
                     std::to_string(width));
        const std::vector<int32_t> offsets = OffsetsOf({3, 0, 70, 1, 16});
        const int64_t num_rows = offsets.back();
        std::vector<Tensor> rows_of_w;
        for (uint64_t i = 0; i < 5; ++i) rows_of_w.push_back(RandomTensor({2 * width, k}, i));
        OpMatrices w(on_cuda_, rows_of_w, dtype);
        std::vector<int32_t> rows;
        for (int32_t i = 0; i < num_rows; ++i) rows.push_back(i * 7 % kTokens);
        MatmulOperand x = MakeMatmulOperand(on_cpu_, RandomTensor({kTokens, k}, 1000), dtype);
        MatmulGroupedArgs args{.x = x.x,
                               .x_scales = x.scales_view(),
                               .offsets = ConstTensorView(offsets.data(), {6}),
                               .w = w.On(on_cuda_),
                               .y = {},
                               .rows = ConstTensorView(rows.data(), {num_rows})};
        Tensor got(to, {num_rows, width}), want(to, {num_rows, width});
        args.activated = got;
        MatmulGrouped(on_cuda_, args);

        Tensor gathered(x.x.dtype(), {num_rows, k}), scales(DType::kF32, {num_rows});
        Tensor gate_up(DType::kF32, {num_rows, 2 * width});
        GatherRows(on_cuda_, {.x = x.x, .rows = args.rows, .y = gathered});
        if (dtype == DType::kI8) {
          GatherRows(on_cuda_, {.x = x.scales_view(), .rows = args.rows, .y = scales});
        }
        MatmulGrouped(on_cuda_, {.x = gathered,
                                 .x_scales = dtype == DType::kI8 ? scales : ConstTensorView(),
                                 .offsets = args.offsets,
                                 .w = w.On(on_cuda_),
                                 .y = gate_up});
        SiluMul(on_cuda_, {.gate_up = gate_up, .y = want});
        ASSERT_TRUE(SameBytes(got, want));

        // The CPU has the same ops.
        Tensor on_cpu(to, {num_rows, width});
        args.activated = on_cpu;
        args.w = w.On(on_cpu_);
        MatmulGrouped(on_cpu_, args);
        ASSERT_EQ(Difference(on_cpu, ToDoubles(want), OpTolerance(to)), "");
      }
    }
  }
}

// Few rows in any order, against the same ones sorted: many of a group, some of none, many groups.
TEST_P(CudaMoe, UnsortedRowsHaveTheBitsOfSortedOnes) {
  struct Choices {
    int64_t tokens, top_k, num_groups;
  };
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF16, DType::kI8}) {
    for (const Choices& c : {Choices{1, 2, 4}, Choices{32, 1, 2}, Choices{19, 8, 130}}) {
      for (const bool is_activated : {false, true}) {
        SCOPED_TRACE(std::string(Name(dtype)) + ", " + std::to_string(c.tokens) + " tokens" +
                     (is_activated ? ", activated" : ""));
        ASSERT_TRUE(TakesUnsorted(on_cuda_, c.tokens, c.top_k));
        const int64_t k = 40, n = 50, num_rows = c.tokens * c.top_k;
        std::vector<Tensor> rows_of_w;
        for (int64_t i = 0; i < c.num_groups; ++i) {
          rows_of_w.push_back(RandomTensor({n, k}, static_cast<uint64_t>(i)));
        }
        OpMatrices w(on_cuda_, rows_of_w, dtype);
        const MatmulOperand x =
            MakeMatmulOperand(on_cpu_, RandomTensor({c.tokens, k}, 1000), dtype);
        std::vector<int32_t> groups;
        for (int64_t row = 0; row < num_rows; ++row) {
          groups.push_back(static_cast<int32_t>(row * row * 7 % c.num_groups));
        }
        const int64_t width = is_activated ? n / 2 : n;
        Tensor sorted(DType::kF32, {num_rows, width}), unsorted(DType::kF32, {num_rows, width});
        const auto run = [&](Context& context, MatmulGroupedArgs args, TensorView y) {
          (is_activated ? args.activated : args.y) = y;
          args.x = x.x;
          args.x_scales = x.scales_view();
          args.w = w.On(context);
          MatmulGrouped(context, args);
        };
        MatmulGroupedArgs args{.x = {}, .x_scales = {}, .offsets = {}, .w = {}, .y = {}};
        args.groups = ConstTensorView(groups.data(), {num_rows});
        run(on_cuda_, args, unsorted);
        Tensor on_cpu(DType::kF32, {num_rows, width});
        run(on_cpu_, args, on_cpu);
        ASSERT_EQ(Difference(on_cpu, ToDoubles(unsorted), OpTolerance(dtype)), "");

        Tensor offsets(DType::kI32, {c.num_groups + 1}), row_of(DType::kI32, {c.tokens, c.top_k});
        Tensor token_of(DType::kI32, {num_rows}), back(DType::kF32, {num_rows, width});
        MoePermute(on_cuda_, {.experts = args.groups.Reshaped({c.tokens, c.top_k}),
                              .num_experts = c.num_groups,
                              .offsets = offsets,
                              .row_of = row_of,
                              .token_of = token_of});
        args.groups = {};
        args.offsets = offsets;
        args.rows = token_of;
        run(on_cuda_, args, sorted);
        GatherRows(on_cuda_, {.x = sorted, .rows = row_of.view().Reshaped({num_rows}), .y = back});
        ASSERT_TRUE(SameBytes(back, unsorted));
      }
    }
  }
}

TEST_P(CudaMoe, RowsThatLieAsChoicesDoNeedNoPlaces) {
  const CombineShape shape{.tokens = 5, .top_k = 3, .width = 37};
  MoeCombineOp op(on_cpu_, shape);
  std::vector<int32_t> in_order(15);
  std::iota(in_order.begin(), in_order.end(), 0);
  for (Context* context : {&on_cuda_.context(), &on_cpu_.context()}) {
    Tensor named = NormalTensor({5, 37}, 1), unnamed = NormalTensor({5, 37}, 1);
    MoeCombine(*context, {.y_rows = op.y_rows,
                          .row_of = ConstTensorView(in_order.data(), {5, 3}),
                          .weights = op.weights,
                          .y = named});
    MoeCombine(*context, {.y_rows = op.y_rows, .row_of = {}, .weights = op.weights, .y = unnamed});
    EXPECT_TRUE(SameBytes(named, unnamed));
  }
}

TEST_P(CudaMoe, GroupedWeightGradientsHaveTheBitsOfThoseOfEachGroup) {
  for (const auto& [dy_dtype, x_dtype] : std::vector<std::pair<DType, DType>>{
           {DType::kF32, DType::kF32}, {DType::kBf16, DType::kBf16}, {DType::kF32, DType::kBf16}}) {
    for (const std::vector<int32_t>& counts : GroupSizes()) {
      const int64_t k = counts.size() > 100 ? 24 : 100, n = counts.size() > 100 ? 5 : 72;
      const std::vector<int32_t> offsets = OffsetsOf(counts);
      const auto num_groups = static_cast<int64_t>(counts.size());
      const int64_t num_rows = offsets.back();
      SCOPED_TRACE(std::string(Name(x_dtype)) + ", " + std::to_string(num_groups) + " groups, " +
                   std::to_string(num_rows) + " rows");
      Tensor dy(dy_dtype, {num_rows, n}), x(x_dtype, {num_rows, k});
      Convert(on_cpu_, {.x = RandomTensor({num_rows, n}, 1), .y = dy});
      Convert(on_cpu_, {.x = RandomTensor({num_rows, k}, 2), .y = x});
      std::vector<Tensor> got;
      for (int64_t group = 0; group < num_groups; ++group) got.push_back(RandomTensor({n, k}, 3));
      MatmulWeightGradientGrouped(
          on_cuda_, {.dy = dy, .x = x, .offsets = Integers(offsets, {num_groups + 1}), .dw = got});
      for (size_t group = 0; group < got.size(); ++group) {
        Tensor want(DType::kF32, {n, k});
        MatmulWeightGradient(on_cuda_, {.dy = dy.view().Rows(offsets[group], counts[group]),
                                        .x = x.view().Rows(offsets[group], counts[group]),
                                        .dw = want});
        ASSERT_TRUE(SameBytes(got[group], want)) << "group " << group;
      }
    }
  }
}

}  // namespace
}  // namespace tandem
