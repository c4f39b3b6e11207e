#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/activation.h"
#include "kernels/core/device_memory.h"
#include "kernels/core/error.h"
#include "kernels/core/random.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/vendor_products.h"
#include "kernels/quantize.h"

namespace tandem::cuda {
namespace {

// What may multiply: an algorithm, or our own tiles.
using Candidate = std::optional<ProductAlgorithm>;

constexpr int64_t kDrawn = 65521;  // a prime: rows differ

size_t RangeOf(int64_t rows) {
  return static_cast<size_t>(std::ranges::lower_bound(kRowRanges, rows) - kRowRanges.begin());
}

int64_t LeastRows(size_t range) { return range == 0 ? 1 : kRowRanges[range - 1] + 1; }

// Rows of x that are like nothing in particular: both signs, magnitudes from 1/16 to 16, so that
// any other order of sums shows in some bit.
Tensor RandomRows(Context& context, int64_t rows, int64_t k) {
  std::vector<float> drawn(static_cast<size_t>(kDrawn));
  for (size_t i = 0; i < drawn.size(); ++i) {
    const auto uniform = [&](uint64_t seed) {
      return RandomUniform({.seed = seed, .position = static_cast<uint64_t>(i)});
    };
    drawn[i] = static_cast<float>((2 * uniform(1) - 1) * std::exp2(8 * uniform(2) - 4));
  }
  Tensor x(DType::kBf16, {rows, k});
  auto* const to = x.data<BFloat16>();
  for (int64_t i = 0; i < rows * k; ++i) to[i] = BFloat16(drawn[static_cast<size_t>(i % kDrawn)]);
  Tensor placed(DType::kBf16, {rows, k}, context.device);
  Copy(context, x, placed);
  return placed;
}

// Products of random rows with the matrix, whose bits are compared with those of one algorithm, the
// anchor.
class Probe {
 public:
  Probe(Context& context, VendorProducts& vendor, const PackedMatrix& w, const ProbeSize& size)
      : context_(context),
        vendor_(vendor),
        w_(w),
        rows_(std::clamp<int64_t>(size.outputs / w.n(), 1, size.rows)),
        x_(RandomRows(context, rows_, w.k())),
        anchored_(DType::kF32, {rows_, w.n()}, context.device),
        product_(DType::kF32, {rows_, w.n()}, context.device),
        sum_(DType::kF32, {rows_, w.n()}, context.device),
        differs_(DType::kI32, {1}, context.device) {}

  int64_t rows() const { return rows_; }

  // All rows in one batch. False: the library cannot.
  bool SetAnchor(const ProductAlgorithm& anchor) {
    try {
      Multiply(anchor, 0, anchored_.view(), MatmulOutput::kStore);
      return true;
    } catch (const DeviceError&) {
      return false;
    }
  }

  // In batches of the range's numbers of rows, at several places. Those that are larger than the
  // probe stay untried.
  bool Agrees(const Candidate& candidate, size_t range) {
    if (candidate && !AcceptsAll(*candidate, range)) return false;
    const int64_t least = LeastRows(range);
    const int64_t most = std::min(kRowRanges[range], rows_);
    for (const int64_t count : {least, least + (most - least) / 3, (least + most) / 2, most}) {
      for (const int64_t first : {int64_t{0}, (rows_ - count) / 2, rows_ - count}) {
        if (!AgreesOn(candidate, first, count)) return false;
      }
    }
    return true;
  }

 private:
  bool AcceptsAll(const ProductAlgorithm& algorithm, size_t range) {
    const ProductShape shape{w_.n(), w_.k()};
    const int64_t most = std::min(kRowRanges[range], int64_t{1} << 20);
    for (int64_t rows = LeastRows(range); rows <= most; rows += 1 + rows / 64) {
      if (!vendor_.Accepts(algorithm, shape, rows)) return false;
    }
    return vendor_.Accepts(algorithm, shape, most);
  }

  // y (=, +=) of rows first.. of x.
  void Multiply(const Candidate& candidate, int64_t first, TensorView y, MatmulOutput output) {
    const ConstTensorView x = x_.view().Rows(first, y.dim(0));
    if (!candidate) {
      return RunOwnProduct(context_, {.x = x, .x_scales = {}, .w = w_, .y = y, .output = output});
    }
    vendor_.Run(context_, *candidate, {w_.n(), w_.k()},
                {.x = x.bytes(),
                 .w = w_.data(),
                 .y = y.data<float>(),
                 .rows = y.dim(0),
                 .add = output == MatmulOutput::kAdd});
  }

  // Stored, and added to the anchor's product.
  bool AgreesOn(const Candidate& candidate, int64_t first, int64_t count) {
    const TensorView anchored = anchored_.view().Rows(first, count);
    const TensorView product = product_.view().Rows(0, count);
    const TensorView sum = sum_.view().Rows(0, count);
    try {
      FillZero(context_, differs_);
      Multiply(candidate, first, product, MatmulOutput::kStore);
      Compare(product, anchored);
      cuda::Convert(context_, {.x = anchored, .y = sum});
      Multiply(candidate, first, sum, MatmulOutput::kAdd);
      cuda::Add(context_, {.x = anchored, .y = product});
      Compare(sum, product);
      return HostCopy(context_, differs_.view()).view().data<int32_t>()[0] == 0;
    } catch (const DeviceError&) {  // a device that is broken says so again
      return false;
    }
  }

  void Compare(TensorView a, TensorView b) {
    CompareBits(context_, {.a = a.data<float>(),
                           .b = b.data<float>(),
                           .count = a.num_elements(),
                           .differs = differs_.data<int32_t>()});
  }

  Context& context_;
  VendorProducts& vendor_;
  const PackedMatrix& w_;
  const int64_t rows_;
  Tensor x_;         // [rows_, k], bf16
  Tensor anchored_;  // [rows_, n]: the anchor's product
  Tensor product_;   // [rows_, n]: a candidate's
  Tensor sum_;       // [rows_, n]
  Tensor differs_;   // [1], i32: 1 when some bit did
};

class Planner {
 public:
  Planner(Context& context, VendorProducts& vendor, const PackedMatrix& w, const ProbeSize& size)
      : vendor_(vendor), shape_{w.n(), w.k()}, probe_(context, vendor, w, size) {}

  // The algorithm of the most rows is the anchor: there the choice costs most.
  ProductPlan Plan() {
    const size_t top = RangeOf(probe_.rows());
    for (const ProductAlgorithm& anchor : vendor_.Propose(shape_, probe_.rows())) {
      if (!probe_.SetAnchor(anchor) || !probe_.Agrees(anchor, top)) continue;
      ProductPlan plan;
      plan.fill(anchor);
      size_t range = 0;
      while (range < top && Choose(range, anchor, plan[range])) ++range;
      if (range == top) return plan;
    }
    return {};
  }

 private:
  // The first that has the anchor's bits. Few rows go to our own tiles where those have them: they
  // are made to read w as fast as memory can give it, and need no library's call.
  bool Choose(size_t range, const ProductAlgorithm& anchor, Candidate& choice) {
    std::vector<Candidate> candidates;
    if (range == 0) candidates.emplace_back();
    for (const ProductAlgorithm& proposed : vendor_.Propose(shape_, kRowRanges[range])) {
      candidates.emplace_back(proposed);
    }
    candidates.emplace_back(anchor);
    if (range > 0) candidates.emplace_back();
    const auto found = std::ranges::find_if(
        candidates, [&](const Candidate& candidate) { return probe_.Agrees(candidate, range); });
    if (found == candidates.end()) return false;
    choice = *found;
    return true;
  }

  VendorProducts& vendor_;
  const ProductShape shape_;
  Probe probe_;
};

}  // namespace

ProductPlan PlanProducts(Context& context, VendorProducts& vendor, const PackedMatrix& w,
                         const ProbeSize& size) {
  CHECK(w.dtype() == DType::kBf16 && w.n() > 0 && w.device() == context.device, w.n());
  return Planner(context, vendor, w, size).Plan();
}

}  // namespace tandem::cuda
