#include "tests/bench/cublas_matmul.h"

#include "kernels/core/error.h"
#include "kernels/cuda/cublas_lt.h"

namespace tandem {
namespace {

constexpr int64_t kWorkspaceBytes = int64_t{64} << 20;
constexpr int kMostAlgorithms = 4;

cuda::CublasDescriptors::Shape ShapeOf(const CublasOperands& operands) {
  const int64_t m = operands.x.dim(0), k = operands.x.dim(1), n = operands.w.dim(0);
  CHECK(operands.w.dim(1) == k && operands.y.shape() == Shape({m, n}), m, n, k);
  return {.m = m, .n = n, .k = k, .y_is_f32 = operands.y.dtype() == DType::kF32};
}

class Product : public CublasMatmul {
 public:
  Product(Context& context, const CublasOperands& operands)
      : operands_(operands),
        workspace_(DType::kU8, {kWorkspaceBytes}, context.device),
        descriptors_(ShapeOf(operands)) {
    cuda::CublasPreference preference;
    preference.Set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{kWorkspaceBytes});
    found_ = preference.Propose(descriptors_, kMostAlgorithms);
    if (found_.empty()) throw DeviceError("cuBLASLt has no algorithm for this product");
  }

  int num_algorithms() const override { return static_cast<int>(found_.size()); }

  void Run(Context& context, int algorithm) override {
    const float one = 1.0f, zero = 0.0f;
    cuda::CheckCublas(
        lt_.matmul(lt_.handle, descriptors_.product(), &one, operands_.w.bytes(), descriptors_.w(),
                   operands_.x.bytes(), descriptors_.x(), &zero, operands_.y.bytes(),
                   descriptors_.y(), operands_.y.bytes(), descriptors_.y(),
                   &found_[static_cast<size_t>(algorithm)].algo, workspace_.view().bytes(),
                   static_cast<size_t>(kWorkspaceBytes), static_cast<cudaStream_t>(context.stream)),
        "the product");
  }

 private:
  const cuda::CublasLt& lt_ = cuda::TheCublasLt();
  CublasOperands operands_;
  Tensor workspace_;
  cuda::CublasDescriptors descriptors_;
  std::vector<cublasLtMatmulHeuristicResult_t> found_;
};

}  // namespace

std::unique_ptr<CublasMatmul> MakeCublasMatmul(Context& context, const CublasOperands& operands) {
  return std::make_unique<Product>(context, operands);
}

}  // namespace tandem
