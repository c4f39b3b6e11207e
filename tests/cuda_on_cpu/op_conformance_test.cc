// Every CUDA op on the cases of the op table, in all schedules: agrees with double precision, with
// the same bits in each, and writes nothing but its outputs.

#include <gtest/gtest.h>

#include <cstring>

#include "kernels/activation.h"
#include "kernels/core/error.h"
#include "kernels/matmul.h"
#include "kernels/quantize.h"
#include "tests/cuda_on_cpu/on_cuda.h"
#include "tests/support/ops/attention_ops.h"
#include "tests/support/ops/matmul_ops.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/op_check.h"
#include "tests/support/ops/operands.h"
#include "tests/support/tolerances.h"

namespace tandem {
namespace {

class CudaOpTable : public OnCuda {
 protected:
  void Check(const OpCase& c) {
    const std::unique_ptr<OpRun> run = c.prepare(on_cpu_);
    const std::vector<std::vector<double>> want = run->Reference();
    OutputBits first;
    for (const cuda_on_cpu::Schedule& schedule : AllSchedules()) {
      SCOPED_TRACE(c.Label() + ", " + Describe(schedule));
      cuda_on_cpu::SetSchedule(schedule);
      ASSERT_EQ(RunAndCompare(c, *run, on_cuda_, want), "");
      const OutputBits bits = BitsOf(*run);
      if (first.empty()) first = bits;
      ASSERT_TRUE(bits == first) << "other bits than in the first schedule";
    }
  }
};

TEST_F(CudaOpTable, AgreesEverywhere) {
  for (const OpCase& c : OpCases(OpUse::kTest)) {
    Check(c);
    if (HasFatalFailure()) return;
  }
}

// Nothing above was the CPU's work.
TEST_F(CudaOpTable, GoesToTheDevice) {
  SetDeviceOps(DeviceKind::kCuda, {});
  for (const OpCase& c : OpCases(OpUse::kTest)) {
    // Made of ops, of which it calls none where there are no rows.
    if (c.op.starts_with("cross_entropy") && c.flops == 0) continue;
    EXPECT_THROW(c.prepare(on_cpu_)->Run(on_cuda_), DeviceError) << c.Label();
  }
}

// A row's bits do not depend on the rows beside it.
TEST_F(CudaOpTable, MatmulRowsHaveTheSameBitsAloneAndInABatch) {
  for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF16, DType::kI8}) {
    constexpr int64_t kTokens = 150;
    constexpr int64_t kK = 172;
    constexpr int64_t kN = 100;
    OpMatrices w(on_cpu_, NormalTensor({kN, kK}, 1).view(), dtype);
    const Tensor x_f32 = NormalTensor({kTokens, kK}, 2);
    Tensor x(w.host().input_dtype(), {kTokens, kK});
    Tensor scales(DType::kF32, {kTokens});
    if (dtype == DType::kI8) {
      QuantizeRows(on_cpu_, {.x = x_f32.view(), .y = x.view(), .scales = scales.view()});
    } else {
      Convert(on_cpu_, {.x = x_f32.view(), .y = x.view()});
    }
    const auto run = [&](int64_t first, int64_t count) {
      Tensor y(DType::kF32, {count, kN});
      Matmul(on_cuda_, {.x = x.view().Rows(first, count),
                        .x_scales = scales.view().Rows(first, count),
                        .w = w.On(on_cuda_).front(),
                        .y = y.view()});
      return y;
    };
    const Tensor all = run(0, kTokens);
    for (const auto& [first, count] :
         std::vector<std::pair<int64_t, int64_t>>{{0, 1}, {149, 1}, {63, 3}, {17, 70}}) {
      const Tensor some = run(first, count);
      EXPECT_EQ(std::memcmp(some.view().bytes(), all.view().Rows(first, count).bytes(),
                            static_cast<size_t>(some.view().size_bytes())),
                0)
          << Name(dtype) << " rows " << first << " + " << count;
    }
  }
}

// Nor on the other sequences, or on how many of its tokens come in one step. Slots that hold no key
// are NaN.
TEST_F(CudaOpTable, AttentionRowsHaveTheSameBitsInAnyStep) {
  for (const AttentionHeads& heads : std::vector<AttentionHeads>{
           {.num_heads = 8, .num_kv_heads = 2, .head_dim = 64, .dtype = DType::kBf16},
           {.num_heads = 4, .num_kv_heads = 4, .head_dim = 80, .window = 70, .dtype = DType::kBf16},
           {.num_heads = 3, .num_kv_heads = 1, .head_dim = 96, .dtype = DType::kBf16},
           {.num_heads = 4, .num_kv_heads = 2, .head_dim = 128, .dtype = DType::kBf16},
           {.num_heads = 2, .num_kv_heads = 1, .head_dim = 40, .dtype = DType::kBf16},
           {.num_heads = 2, .num_kv_heads = 1, .head_dim = 64, .dtype = DType::kF32}}) {
    SCOPED_TRACE(heads.Label());
    constexpr int64_t kLength = 600;
    AttentionOp whole(on_cpu_, {heads, {{kLength, kLength}}});
    whole.Run(on_cuda_);
    const double tolerance = OpTolerance(heads.dtype);
    for (const int64_t position : {int64_t{0}, int64_t{63}, int64_t{511}, kLength - 1}) {
      EXPECT_EQ(Difference(whole.y.Rows(position, 1),
                           ReferenceAttentionRow(heads, whole.texts()[0], position), tolerance),
                "")
          << "position " << position;
    }
    for (const std::vector<SequenceShape>& step : std::vector<std::vector<SequenceShape>>{
             {{1, kLength}}, {{1, 301}, {4, 9}}, {{70, 575}, {0, 20}, {1, 700}}, {{17, 17}}}) {
      AttentionOp part(on_cpu_, {heads, step});
      part.Run(on_cuda_);
      const SequenceShape& sequence = step.front();
      const ConstTensorView want =
          whole.y.Rows(sequence.context_len - sequence.new_tokens, sequence.new_tokens);
      EXPECT_EQ(std::memcmp(part.y.bytes(), want.bytes(), static_cast<size_t>(want.size_bytes())),
                0)
          << sequence.new_tokens << " tokens up to " << sequence.context_len;
    }
  }
}

TEST_F(CudaOpTable, AnOpWithoutAKernelSaysSo) {
  SetDeviceOps(DeviceKind::kCuda, {});
  const Tensor x = NormalTensor({2, 3}, 1);
  Tensor y(DType::kF32, {2, 3});
  try {
    Add(on_cuda_, {.x = x.view(), .y = y.view()});
    FAIL();
  } catch (const DeviceError& error) {
    EXPECT_NE(std::string(error.what()).find("Add does not run on CUDA"), std::string::npos);
  }
}

}  // namespace
}  // namespace tandem
