#include "kernels/cuda/vendor_products.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "kernels/activation.h"
#include "kernels/core/error.h"
#include "kernels/core/workspace.h"
#include "kernels/cuda/ops.h"

namespace tandem::cuda {
namespace {

// The library of this process and what was decided for each shape. A shape that was multiplied with
// before anybody decided keeps our own tiles: its bits never change.
class PlannedProducts {
 public:
  void SetLibrary(OpenVendorProducts open, const ProbeSize& size) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    size_ = size;
    was_opened_ = false;
    library_.reset();
    plans_.clear();
  }

  void Prepare(Context& context, const PackedMatrix& w) {
    const std::lock_guard lock(mutex_);
    const Key key = KeyOf(context, w);
    if (Find(key) != nullptr) return;
    VendorProducts* const library = IsPossible(key.shape) ? Library() : nullptr;
    plans_.emplace_back(
        key, library == nullptr ? ProductPlan() : PlanProducts(context, *library, w, size_));
  }

  // The library when the plan names it, which stays open.
  std::pair<VendorProducts*, ProductAlgorithm> Choose(const Context& context, const PackedMatrix& w,
                                                      int64_t rows) {
    const std::lock_guard lock(mutex_);
    const Key key = KeyOf(context, w);
    const ProductPlan* const plan = Find(key);
    if (plan == nullptr) {
      plans_.emplace_back(key, ProductPlan());
      return {};
    }
    const auto range = std::ranges::lower_bound(kRowRanges, rows) - kRowRanges.begin();
    const std::optional<ProductAlgorithm>& choice = (*plan)[static_cast<size_t>(range)];
    if (!choice) return {};
    return {library_.get(), *choice};
  }

  ProductCounts Count(const Context& context) {
    const std::lock_guard lock(mutex_);
    ProductCounts counts;
    if (library_ != nullptr) counts.library = library_->name();
    for (const auto& [key, plan] : plans_) {
      if (key.device != context.device) continue;
      counts.shapes += 1;
      counts.by_library += plan.back().has_value();
    }
    return counts;
  }

 private:
  struct Key {
    Device device;
    ProductShape shape;
    friend bool operator==(const Key&, const Key&) = default;
  };

  static Key KeyOf(const Context& context, const PackedMatrix& w) {
    return {context.device, {w.n(), w.k()}};
  }

  // Rows that are whole pieces of 16 bytes.
  static bool IsPossible(const ProductShape& shape) {
    return shape.n > 0 && shape.k > 0 && shape.n % 4 == 0 && shape.k % 8 == 0;
  }

  const ProductPlan* Find(const Key& key) const {
    const auto found =
        std::ranges::find_if(plans_, [&](const auto& planned) { return planned.first == key; });
    return found == plans_.end() ? nullptr : &found->second;
  }

  // Null when it is not there; asked once.
  VendorProducts* Library() {
    if (!was_opened_ && open_ != nullptr) {
      try {
        library_ = open_();
      } catch (const DeviceError&) {
        // Our own tiles do all.
      }
    }
    was_opened_ = true;
    return library_.get();
  }

  std::mutex mutex_;  // guards all below
  OpenVendorProducts open_ = nullptr;
  ProbeSize size_;
  bool was_opened_ = false;
  std::unique_ptr<VendorProducts> library_;
  std::vector<std::pair<Key, ProductPlan>> plans_;  // few
};

PlannedProducts& Planned() {
  static PlannedProducts planned;
  return planned;
}

bool IsAligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }

}  // namespace

void SetVendorProducts(OpenVendorProducts open, const ProbeSize& size) {
  Planned().SetLibrary(open, size);
}

ProductCounts CountProducts(const Context& context) { return Planned().Count(context); }

void PrepareMatmul(Context& context, const PrepareMatmulArgs& args) {
  if (args.w.dtype() == DType::kBf16) Planned().Prepare(context, args.w);
}

bool RunVendorProduct(Context& context, const MatmulArgs& args) {
  if (args.w.dtype() != DType::kBf16) return false;
  const int64_t rows = args.x.dim(0);
  const auto [library, algorithm] = Planned().Choose(context, args.w, rows);
  if (library == nullptr) return false;
  CHECK(IsAligned(args.x.bytes()) && IsAligned(args.y.bytes()), rows, args.w.n());
  const bool adds = args.output == MatmulOutput::kAdd;
  WorkspaceScope scratch(context.workspace);
  // The bias belongs to the product, before the addition to y.
  TensorView y = args.y;
  if (adds && !args.bias.empty()) y = scratch.TakeTensor(DType::kF32, args.y.shape());
  library->Run(context, algorithm, {args.w.n(), args.w.k()},
               {.x = args.x.bytes(),
                .w = args.w.data(),
                .y = y.data<float>(),
                .rows = rows,
                .add = adds && args.bias.empty()});
  if (args.bias.empty()) return true;
  AddBias(context, {.bias = args.bias.data<float>(),
                    .n = args.w.n(),
                    .y = y.data<float>(),
                    .count = y.num_elements()});
  if (adds) cuda::Add(context, {.x = y, .y = args.y});
  return true;
}

}  // namespace tandem::cuda
