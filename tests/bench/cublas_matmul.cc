#include "tests/bench/cublas_matmul.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <glob.h>

#include <array>
#include <string>
#include <vector>

#include "kernels/core/error.h"

namespace tandem {
namespace {

constexpr int64_t kWorkspaceBytes = int64_t{64} << 20;
constexpr int kMostAlgorithms = 4;

// Where the loader does not look: the toolkit's folder, and Python environments with PyTorch.
constexpr const char* kPlaces[] = {
    "libcublasLt.so.13",
    "/usr/local/cuda/lib64/libcublasLt.so.13",
    "/usr/local/cuda-13*/lib64/libcublasLt.so.13",
    "/usr/local/lib/python3*/*-packages/nvidia/cu13/lib/libcublasLt.so.13",
    "/usr/lib/python3*/*-packages/nvidia/cu13/lib/libcublasLt.so.13",
    "/opt/*/lib/python3*/site-packages/nvidia/cu13/lib/libcublasLt.so.13",
    "/opt/*/.venv/lib/python3*/site-packages/nvidia/cu13/lib/libcublasLt.so.13",
};

// Null when it does not load from there.
void* OpenAt(const char* pattern) {
  if (std::string(pattern).find('/') == std::string::npos) {
    return ::dlopen(pattern, RTLD_NOW | RTLD_LOCAL);
  }
  glob_t found{};
  void* library = nullptr;
  if (::glob(pattern, 0, nullptr, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc && library == nullptr; ++i) {
      library = ::dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
    }
  }
  ::globfree(&found);
  return library;
}

template <typename Function>
void Resolve(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) throw DeviceError(std::string("libcublasLt.so.13 lacks ") + name);
}

struct Library {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtMatmulDescCreate) desc_create = nullptr;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) layout_create = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
  cublasLtHandle_t handle = nullptr;
};

void Check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(std::string("cuBLASLt: ") + what + ": status " + std::to_string(status));
}

Library Open() {
  void* opened = nullptr;
  for (const char* place : kPlaces) {
    if (opened == nullptr) opened = OpenAt(place);
  }
  if (opened == nullptr) throw DeviceError("libcublasLt.so.13 is not here");
  Library library;
  Resolve(opened, "cublasLtCreate", library.create);
  Resolve(opened, "cublasLtMatmulDescCreate", library.desc_create);
  Resolve(opened, "cublasLtMatmulDescDestroy", library.desc_destroy);
  Resolve(opened, "cublasLtMatmulDescSetAttribute", library.desc_set);
  Resolve(opened, "cublasLtMatrixLayoutCreate", library.layout_create);
  Resolve(opened, "cublasLtMatrixLayoutDestroy", library.layout_destroy);
  Resolve(opened, "cublasLtMatmulPreferenceCreate", library.preference_create);
  Resolve(opened, "cublasLtMatmulPreferenceDestroy", library.preference_destroy);
  Resolve(opened, "cublasLtMatmulPreferenceSetAttribute", library.preference_set);
  Resolve(opened, "cublasLtMatmulAlgoGetHeuristic", library.heuristic);
  Resolve(opened, "cublasLtMatmul", library.matmul);
  Check(library.create(&library.handle), "opening it");
  return library;
}

// Stays open until the process ends, as the CUDA runtime does.
const Library& TheLibrary() {
  static const Library library = Open();
  return library;
}

// In cuBLAS's column-major words y^T [n, m] = w [k, n]^T x^T [k, m].
class Product : public CublasMatmul {
 public:
  Product(Context& context, const CublasOperands& operands)
      : operands_(operands), workspace_(DType::kU8, {kWorkspaceBytes}, context.device) {}
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;
  ~Product() override {
    for (cublasLtMatrixLayout_t layout : {w_, x_, y_}) {
      if (layout != nullptr) lt_.layout_destroy(layout);
    }
    if (product_ != nullptr) lt_.desc_destroy(product_);
  }

  void Prepare() {
    const CublasOperands& operands = operands_;
    const int64_t m = operands.x.dim(0), k = operands.x.dim(1), n = operands.w.dim(0);
    CHECK(operands.w.dim(1) == k && operands.y.shape() == Shape({m, n}), m, n, k);
    const bool is_wide = operands.y.dtype() == DType::kF32;
    Check(lt_.desc_create(&product_, CUBLAS_COMPUTE_32F, CUDA_R_32F), "a product");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    Check(lt_.desc_set(product_, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof(transposed)),
          "a product");
    Check(
        lt_.layout_create(&w_, CUDA_R_16BF, static_cast<uint64_t>(k), static_cast<uint64_t>(n), k),
        "a layout");
    Check(
        lt_.layout_create(&x_, CUDA_R_16BF, static_cast<uint64_t>(k), static_cast<uint64_t>(m), k),
        "a layout");
    Check(lt_.layout_create(&y_, is_wide ? CUDA_R_32F : CUDA_R_16BF, static_cast<uint64_t>(n),
                            static_cast<uint64_t>(m), n),
          "a layout");
    Choose();
  }

  int num_algorithms() const override { return num_found_; }

  void Run(Context& context, int algorithm) override {
    const float one = 1.0f, zero = 0.0f;
    Check(
        lt_.matmul(lt_.handle, product_, &one, operands_.w.bytes(), w_, operands_.x.bytes(), x_,
                   &zero, operands_.y.bytes(), y_, operands_.y.bytes(), y_,
                   &found_[static_cast<size_t>(algorithm)].algo, workspace_.view().bytes(),
                   static_cast<size_t>(kWorkspaceBytes), static_cast<cudaStream_t>(context.stream)),
        "the product");
  }

 private:
  void Choose() {
    cublasLtMatmulPreference_t preference = nullptr;
    Check(lt_.preference_create(&preference), "a choice");
    const auto bytes = static_cast<size_t>(kWorkspaceBytes);
    lt_.preference_set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof(bytes));
    const cublasStatus_t status = lt_.heuristic(lt_.handle, product_, w_, x_, y_, y_, preference,
                                                kMostAlgorithms, found_.data(), &num_found_);
    lt_.preference_destroy(preference);
    Check(status, "choosing an algorithm");
    if (num_found_ < 1) throw DeviceError("cuBLASLt has no algorithm for this product");
  }

  const Library& lt_ = TheLibrary();
  CublasOperands operands_;
  Tensor workspace_;
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatrixLayout_t w_ = nullptr, x_ = nullptr, y_ = nullptr;
  std::array<cublasLtMatmulHeuristicResult_t, kMostAlgorithms> found_{};
  int num_found_ = 0;
};

}  // namespace

std::unique_ptr<CublasMatmul> MakeCublasMatmul(Context& context, const CublasOperands& operands) {
  auto product = std::make_unique<Product>(context, operands);
  product->Prepare();
  return product;
}

}  // namespace tandem
