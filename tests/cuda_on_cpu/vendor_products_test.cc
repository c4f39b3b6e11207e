// Which of a library's algorithms multiply, decided bitwise against libraries that break the rules
// in known ways; and models served and trained through one.

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "kernels/cuda/vendor_products.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/device_memory.h"
#include "tests/cuda_on_cpu/small_models.h"
#include "tests/support/invariance.h"
#include "tests/support/ops/matmul_ops.h"
#include "tests/support/ops/operands.h"
#include "tests/support/tolerances.h"
#include "tests/support/training_steps.h"

namespace tandem {
namespace {

using cuda::kRowRanges;
using cuda::ProductAlgorithm;
using cuda::ProductOperands;
using cuda::ProductPlan;
using cuda::ProductShape;

// How an algorithm of the library sums.
enum class Sums : uint64_t {
  kAscending,          // the bits of our own tiles, as they are on the CPU
  kAscendingManyRows,  // from 257 rows on; refuses less
  kDescending,
  kDescendingManyRows,
  kInParts,         // k split in two
  kByPlace,         // descending, but rows at odd places of the batch ascending
  kBadAdd,          // descending; what it adds to counts double
  kRefusesWhenRun,  // accepts anything and then fails
};

float Product(Sums sums, int64_t row, const BFloat16* x, const BFloat16* w, int64_t k) {
  const auto ascending = [&](int64_t begin, int64_t end) {
    float sum = 0.0f;
    for (int64_t i = begin; i < end; ++i) {
      sum += static_cast<float>(x[i]) * static_cast<float>(w[i]);
    }
    return sum;
  };
  if (sums == Sums::kInParts) return ascending(0, k / 2) + ascending(k / 2, k);
  const bool ascends = sums == Sums::kAscending || sums == Sums::kAscendingManyRows ||
                       (sums == Sums::kByPlace && row % 2 == 1);
  if (ascends) return ascending(0, k);
  float sum = 0.0f;
  for (int64_t i = k; i-- > 0;) sum += static_cast<float>(x[i]) * static_cast<float>(w[i]);
  return sum;
}

// What each test's library proposes for the ranges, and how often it multiplied.
std::vector<std::vector<Sums>>& Proposals() {
  static std::vector<std::vector<Sums>> proposals;
  return proposals;
}
int num_products = 0;

class FakeLibrary : public cuda::VendorProducts {
 public:
  std::string name() const override { return "a fake library"; }

  std::vector<ProductAlgorithm> Propose(const ProductShape&, int64_t rows) override {
    size_t range = 0;
    while (kRowRanges[range] < rows) ++range;
    std::vector<ProductAlgorithm> algorithms;
    for (const Sums sums : Proposals()[range]) {
      algorithms.push_back({static_cast<uint64_t>(sums), 1});
    }
    return algorithms;
  }

  bool Accepts(const ProductAlgorithm& algorithm, const ProductShape&, int64_t rows) override {
    const auto sums = static_cast<Sums>(algorithm[0]);
    return rows > 256 || (sums != Sums::kAscendingManyRows && sums != Sums::kDescendingManyRows);
  }

  void Run(Context&, const ProductAlgorithm& algorithm, const ProductShape& shape,
           const ProductOperands& operands) override {
    ++num_products;
    const auto sums = static_cast<Sums>(algorithm[0]);
    if (sums == Sums::kRefusesWhenRun) throw DeviceError("a product: status 15");
    const auto work = [=] { Multiply(sums, shape, operands); };
    if (cuda_on_cpu::IsRecording()) return cuda_on_cpu::Record(work);
    work();
  }

 private:
  static void Multiply(Sums sums, const ProductShape& shape, const ProductOperands& operands) {
    const cuda_on_cpu::DeviceAccess access;
    const auto* const x = reinterpret_cast<const BFloat16*>(operands.x);
    const auto* const w = reinterpret_cast<const BFloat16*>(operands.w);
    for (int64_t row = 0; row < operands.rows; ++row) {
      for (int64_t column = 0; column < shape.n; ++column) {
        float* const y = operands.y + row * shape.n + column;
        const float product = Product(sums, row, x + row * shape.k, w + column * shape.k, shape.k);
        const float before = sums == Sums::kBadAdd ? 2 * *y : *y;
        *y = operands.add ? before + product : product;
      }
    }
  }
};

std::unique_ptr<cuda::VendorProducts> OpenFake() { return std::make_unique<FakeLibrary>(); }
std::unique_ptr<cuda::VendorProducts> FailToOpen() { throw DeviceError("not here"); }

class CudaVendorProducts : public testing::Test {
 protected:
  CudaVendorProducts() {
    cuda::SetVendorProducts(OpenFake);
    Propose({Sums::kDescending});
    num_products = 0;
  }
  ~CudaVendorProducts() override { cuda::SetVendorProducts(nullptr); }

  // In every range.
  static void Propose(const std::vector<Sums>& sums) {
    Proposals().assign(kRowRanges.size(), sums);
  }

  // [n, k], on the fake GPU.
  PackedMatrix Matrix(int64_t n, int64_t k) {
    OpContext on_cpu;
    const PackedMatrix packed = PackMatrix(on_cpu, NormalTensor({n, k}, 5), DType::kBf16);
    return CopyMatrix(cuda_, packed, kCuda);
  }

  ProductPlan Plan() {
    FakeLibrary library;
    const PackedMatrix w = Matrix(12, 40);
    return cuda::PlanProducts(cuda_, library, w);
  }

  // Of each range, or nothing for our own tiles.
  static std::vector<std::optional<Sums>> SumsOf(const ProductPlan& plan) {
    std::vector<std::optional<Sums>> sums;
    for (const std::optional<ProductAlgorithm>& choice : plan) {
      sums.push_back(choice ? std::optional(static_cast<Sums>((*choice)[0])) : std::nullopt);
    }
    return sums;
  }

  Tensor Multiply(const PackedMatrix& w, ConstTensorView x, ConstTensorView bias = {},
                  ConstTensorView y_before = {}) {
    Tensor on_device(DType::kBf16, x.shape(), kCuda);
    Copy(cuda_, x, on_device);
    Tensor y(DType::kF32, {x.dim(0), w.n()}, kCuda);
    if (!y_before.empty()) Copy(cuda_, y_before, y);
    Tensor bias_there;
    if (!bias.empty()) {
      bias_there = Tensor(DType::kF32, bias.shape(), kCuda);
      Copy(cuda_, bias, bias_there);
    }
    Matmul(cuda_, {.x = on_device,
                   .x_scales = {},
                   .w = w,
                   .bias = bias.empty() ? ConstTensorView() : bias_there.view(),
                   .y = y,
                   .output = y_before.empty() ? MatmulOutput::kStore : MatmulOutput::kAdd});
    const HostCopy copy(cuda_, y.view());
    Tensor result(DType::kF32, y.shape());
    Copy(cuda_, copy.view(), result);
    return result;
  }

  CudaBackend backend_;
  CudaContext cuda_;
};

using Choices = std::vector<std::optional<Sums>>;

TEST_F(CudaVendorProducts, OneAlgorithmThatKeepsItsBitsDoesAll) {
  EXPECT_EQ(SumsOf(Plan()), Choices(5, Sums::kDescending));
}

TEST_F(CudaVendorProducts, FewRowsAreOursWhereTheBitsAgree) {
  Propose({Sums::kAscending});
  Choices want(5, Sums::kAscending);
  want[0] = std::nullopt;
  EXPECT_EQ(SumsOf(Plan()), want);
}

TEST_F(CudaVendorProducts, ARangeTakesTheFirstProposalWithTheBitsOfTheLargest) {
  Proposals()[0] = {Sums::kInParts, Sums::kAscending, Sums::kDescending};
  Proposals()[1] = {Sums::kInParts};  // so the largest range's own
  Proposals()[3] = {Sums::kByPlace, Sums::kDescendingManyRows};
  Choices want(5, Sums::kDescending);
  want[3] = Sums::kDescendingManyRows;
  EXPECT_EQ(SumsOf(Plan()), want);
}

TEST_F(CudaVendorProducts, WhoseBitsHangOnThePlaceInTheBatchIsNotTaken) {
  Propose({Sums::kByPlace, Sums::kInParts});
  EXPECT_EQ(SumsOf(Plan()), Choices(5, Sums::kInParts));
  Propose({Sums::kByPlace});
  EXPECT_EQ(SumsOf(Plan()), Choices(5));
}

TEST_F(CudaVendorProducts, WhoseAdditionIsAnotherIsNotTaken) {
  Propose({Sums::kBadAdd, Sums::kInParts});
  EXPECT_EQ(SumsOf(Plan()), Choices(5, Sums::kInParts));
}

TEST_F(CudaVendorProducts, WhoFailsIsNotTaken) {
  Propose({Sums::kRefusesWhenRun, Sums::kDescending});
  EXPECT_EQ(SumsOf(Plan()), Choices(5, Sums::kDescending));
  Propose({});
  EXPECT_EQ(SumsOf(Plan()), Choices(5));
}

TEST_F(CudaVendorProducts, ARangeThatNoAlgorithmDoesIsOursOnlyWithTheSameBits) {
  Propose({Sums::kAscendingManyRows});
  EXPECT_EQ(SumsOf(Plan()), (Choices{std::nullopt, std::nullopt, std::nullopt,
                                     Sums::kAscendingManyRows, Sums::kAscendingManyRows}));
  Propose({Sums::kDescendingManyRows});
  EXPECT_EQ(SumsOf(Plan()), Choices(5));
  Propose({Sums::kDescendingManyRows, Sums::kDescending});
  EXPECT_EQ(SumsOf(Plan()), (Choices{Sums::kDescending, Sums::kDescending, Sums::kDescending,
                                     Sums::kDescendingManyRows, Sums::kDescendingManyRows}));
}

// ---- Through Matmul ----

Tensor Rounded(ConstTensorView x) {
  OpContext on_cpu;
  return std::move(MakeMatmulOperand(on_cpu, x, DType::kBf16).x);
}

bool SameBits(ConstTensorView a, ConstTensorView b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.bytes(), b.bytes(), static_cast<size_t>(a.size_bytes())) == 0;
}

TEST_F(CudaVendorProducts, ARowHasTheSameBitsAloneAndInAnyBatch) {
  Propose({Sums::kByPlace, Sums::kDescending});
  Proposals()[0] = {Sums::kInParts, Sums::kDescending};
  const PackedMatrix w = Matrix(20, 72);
  PrepareMatmul(cuda_, w);
  const Tensor x = Rounded(NormalTensor({300, 72}, 6));
  const Tensor all = Multiply(w, x);
  const int before = num_products;
  for (const auto& [first, count] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 1}, {299, 1}, {17, 16}, {40, 17}, {100, 64}, {3, 65}, {44, 256}}) {
    EXPECT_TRUE(SameBits(Multiply(w, x.view().Rows(first, count)), all.view().Rows(first, count)))
        << first << " + " << count;
  }
  EXPECT_EQ(num_products, before + 7);  // none was ours
  const ProductCounts counts = CountProducts(cuda_);
  EXPECT_EQ(counts.library, "a fake library");
  EXPECT_EQ(counts.shapes, 1);
  EXPECT_EQ(counts.by_library, 1);
  EXPECT_EQ(Describe(counts), "a fake library for 1 of 1 shapes of matrices");
}

TEST_F(CudaVendorProducts, BiasAndAdditionAreThere) {
  const PackedMatrix w = Matrix(20, 72);
  PrepareMatmul(cuda_, w);
  const Tensor x = Rounded(NormalTensor({5, 72}, 6));
  const Tensor bias = NormalTensor({20}, 7), y = NormalTensor({5, 20}, 8);
  const Tensor product = Multiply(w, x);
  const Tensor biased = Multiply(w, x, bias), added = Multiply(w, x, {}, y);
  const Tensor both = Multiply(w, x, bias, y);
  for (int64_t i = 0; i < 5 * 20; ++i) {
    const float p = product.data<float>()[i], b = bias.data<float>()[i % 20];
    ASSERT_EQ(biased.data<float>()[i], p + b);
    ASSERT_EQ(added.data<float>()[i], y.data<float>()[i] + p);
    ASSERT_EQ(both.data<float>()[i], y.data<float>()[i] + (p + b));
  }
}

TEST_F(CudaVendorProducts, WhatWasMultipliedBeforeAnybodyDecidedStaysOurs) {
  const PackedMatrix w = Matrix(20, 72);
  const Tensor x = Rounded(NormalTensor({5, 72}, 6));
  const Tensor before = Multiply(w, x);
  PrepareMatmul(cuda_, w);
  EXPECT_TRUE(SameBits(Multiply(w, x), before));
  EXPECT_EQ(num_products, 0);
}

// Rows of no whole 16 bytes, and a library that is not there.
TEST_F(CudaVendorProducts, OursDoTheRest) {
  for (const auto& [n, k] : std::vector<std::pair<int64_t, int64_t>>{{18, 72}, {20, 70}}) {
    const PackedMatrix w = Matrix(n, k);
    PrepareMatmul(cuda_, w);
    Multiply(w, Rounded(NormalTensor({5, k}, 6)));
  }
  EXPECT_EQ(num_products, 0);
  cuda::SetVendorProducts(FailToOpen);
  const PackedMatrix w = Matrix(20, 72);
  PrepareMatmul(cuda_, w);
  EXPECT_EQ(Multiply(w, Rounded(NormalTensor({5, 72}, 6))).shape(), (Shape{5, 20}));
  EXPECT_EQ(CountProducts(cuda_).by_library, 0);
  EXPECT_EQ(Describe(CountProducts(cuda_)), "");
}

// ---- Models ----

constexpr cuda::ProbeSize kSmallProbe{.rows = 40};

// A library that does what the real ones do: few rows in parts, others otherwise. A request's bits
// stay the same in every way of serving it.
TEST_F(CudaVendorProducts, ServingKeepsItsBits) {
  cuda::SetVendorProducts(OpenFake, kSmallProbe);
  Proposals()[0] = {Sums::kInParts, Sums::kDescending};
  Proposals()[1] = {Sums::kByPlace, Sums::kDescending};
  EXPECT_EQ(InvarianceErrors({.config = SmallDenseConfig(), .dtype = DType::kBf16, .device = kCuda},
                             {.num_requests = 12, .max_prompt = 40, .max_new = 3}),
            std::vector<std::string>());
  EXPECT_GT(num_products, 0);
}

TEST_F(CudaVendorProducts, TheTrainerFindsWhatServingRecorded) {
  cuda::SetVendorProducts(OpenFake, kSmallProbe);
  EXPECT_EQ(TrainServeDifference(cuda_, SmallDenseConfig(), DType::kBf16,
                                 {.prompt_tokens = 30, .new_tokens = 3, .chunk = 17}),
            "");
  EXPECT_GT(num_products, 0);
}

}  // namespace
}  // namespace tandem
