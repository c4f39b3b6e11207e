#include "kernels/cuda/cublas_lt.h"

#include <dlfcn.h>
#include <glob.h>

#include <cstring>
#include <string>
#include <type_traits>

#include "kernels/core/error.h"
#include "kernels/cuda/vendor_products.h"

namespace tandem::cuda {
namespace {

// Where the loader does not look: the image of docker/Dockerfile.cuda, the toolkit's folder, and
// Python environments with PyTorch.
constexpr const char* kPlaces[] = {
    "libcublasLt.so.13",
    "/opt/tandem/lib/libcublasLt.so.13",
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

CublasLt Open() {
  void* opened = nullptr;
  for (const char* place : kPlaces) {
    if (opened == nullptr) opened = OpenAt(place);
  }
  if (opened == nullptr) throw DeviceError("libcublasLt.so.13 is not here");
  CublasLt lt;
  Resolve(opened, "cublasLtCreate", lt.create);
  Resolve(opened, "cublasLtGetVersion", lt.version);
  Resolve(opened, "cublasLtMatmulDescCreate", lt.desc_create);
  Resolve(opened, "cublasLtMatmulDescDestroy", lt.desc_destroy);
  Resolve(opened, "cublasLtMatmulDescSetAttribute", lt.desc_set);
  Resolve(opened, "cublasLtMatrixLayoutCreate", lt.layout_create);
  Resolve(opened, "cublasLtMatrixLayoutDestroy", lt.layout_destroy);
  Resolve(opened, "cublasLtMatmulPreferenceCreate", lt.preference_create);
  Resolve(opened, "cublasLtMatmulPreferenceDestroy", lt.preference_destroy);
  Resolve(opened, "cublasLtMatmulPreferenceSetAttribute", lt.preference_set);
  Resolve(opened, "cublasLtMatmulAlgoGetHeuristic", lt.heuristic);
  Resolve(opened, "cublasLtMatmulAlgoCheck", lt.check);
  Resolve(opened, "cublasLtMatmulAlgoConfigGetAttribute", lt.config);
  Resolve(opened, "cublasLtMatmul", lt.matmul);
  CheckCublas(lt.create(&lt.handle), "opening it");
  return lt;
}

cublasLtMatrixLayout_t Layout(const CublasLt& lt, cudaDataType_t type, int64_t rows,
                              int64_t columns) {
  cublasLtMatrixLayout_t layout = nullptr;
  CheckCublas(lt.layout_create(&layout, type, static_cast<uint64_t>(rows),
                               static_cast<uint64_t>(columns), rows),
              "a layout");
  return layout;
}

class CublasProducts : public VendorProducts {
 public:
  std::string name() const override {
    const size_t version = lt_.version();  // 130100
    return "cuBLASLt " + std::to_string(version / 10000) + "." +
           std::to_string(version / 100 % 100);
  }

  std::vector<ProductAlgorithm> Propose(const ProductShape& shape, int64_t rows) override {
    constexpr int kMost = 16;
    CublasPreference preference;
    preference.Set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{0});
    preference.Set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                   uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE});
    for (const auto alignment :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      preference.Set(alignment, uint32_t{16});
    }
    const CublasDescriptors product({.m = rows, .n = shape.n, .k = shape.k, .y_is_f32 = true});
    std::vector<ProductAlgorithm> proposed;
    for (const cublasLtMatmulHeuristicResult_t& result : preference.Propose(product, kMost)) {
      if (result.state != CUBLAS_STATUS_SUCCESS || Splits(result.algo)) continue;
      proposed.push_back(Packed(result.algo));
    }
    return proposed;
  }

  bool Accepts(const ProductAlgorithm& algorithm, const ProductShape& shape,
               int64_t rows) override {
    const CublasDescriptors product({.m = rows, .n = shape.n, .k = shape.k, .y_is_f32 = true});
    const cublasLtMatmulAlgo_t algo = Unpacked(algorithm);
    cublasLtMatmulHeuristicResult_t result{};
    const cublasStatus_t status = lt_.check(lt_.handle, product.product(), product.w(), product.x(),
                                            product.y(), product.y(), &algo, &result);
    return status == CUBLAS_STATUS_SUCCESS && result.workspaceSize == 0;
  }

  void Run(Context& context, const ProductAlgorithm& algorithm, const ProductShape& shape,
           const ProductOperands& operands) override {
    const CublasDescriptors product(
        {.m = operands.rows, .n = shape.n, .k = shape.k, .y_is_f32 = true});
    const cublasLtMatmulAlgo_t algo = Unpacked(algorithm);
    const float one = 1.0f, beta = operands.add ? 1.0f : 0.0f;
    CheckCublas(lt_.matmul(lt_.handle, product.product(), &one, operands.w, product.w(), operands.x,
                           product.x(), &beta, operands.y, product.y(), operands.y, product.y(),
                           &algo, nullptr, 0, static_cast<cudaStream_t>(context.stream)),
                "a product");
  }

 private:
  static_assert(sizeof(ProductAlgorithm) == sizeof(cublasLtMatmulAlgo_t) &&
                std::is_trivially_copyable_v<cublasLtMatmulAlgo_t>);

  static ProductAlgorithm Packed(const cublasLtMatmulAlgo_t& algo) {
    ProductAlgorithm packed;
    std::memcpy(packed.data(), &algo, sizeof(algo));
    return packed;
  }
  static cublasLtMatmulAlgo_t Unpacked(const ProductAlgorithm& packed) {
    cublasLtMatmulAlgo_t algo;
    std::memcpy(&algo, packed.data(), sizeof(algo));
    return algo;
  }

  // Whether k is summed in parts. One that does not say counts as one that does.
  bool Splits(const cublasLtMatmulAlgo_t& algo) const {
    int32_t parts = 0;
    uint32_t scheme = 0;
    const bool says = lt_.config(&algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &parts, sizeof(parts),
                                 nullptr) == CUBLAS_STATUS_SUCCESS &&
                      lt_.config(&algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme,
                                 sizeof(scheme), nullptr) == CUBLAS_STATUS_SUCCESS;
    return !says || parts > 1 || scheme != CUBLASLT_REDUCTION_SCHEME_NONE;
  }

  const CublasLt& lt_ = TheCublasLt();
};

}  // namespace

void CheckCublas(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(std::string("cuBLASLt: ") + what + ": status " + std::to_string(status));
}

const CublasLt& TheCublasLt() {
  static const CublasLt lt = Open();
  return lt;
}

CublasDescriptors::CublasDescriptors(const Shape& shape) {
  try {
    CheckCublas(lt_.desc_create(&product_, CUBLAS_COMPUTE_32F, CUDA_R_32F), "a product");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    CheckCublas(
        lt_.desc_set(product_, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof(transposed)),
        "a product");
    w_ = Layout(lt_, CUDA_R_16BF, shape.k, shape.n);
    x_ = Layout(lt_, CUDA_R_16BF, shape.k, shape.m);
    y_ = Layout(lt_, shape.y_is_f32 ? CUDA_R_32F : CUDA_R_16BF, shape.n, shape.m);
  } catch (...) {
    Destroy();
    throw;
  }
}

CublasDescriptors::~CublasDescriptors() { Destroy(); }

void CublasDescriptors::Destroy() noexcept {
  for (cublasLtMatrixLayout_t layout : {w_, x_, y_}) {
    if (layout != nullptr) lt_.layout_destroy(layout);
  }
  if (product_ != nullptr) lt_.desc_destroy(product_);
}

CublasPreference::CublasPreference() {
  CheckCublas(lt_.preference_create(&preference_), "a choice");
}

CublasPreference::~CublasPreference() { lt_.preference_destroy(preference_); }

std::vector<cublasLtMatmulHeuristicResult_t> CublasPreference::Propose(
    const CublasDescriptors& product, int most) const {
  std::vector<cublasLtMatmulHeuristicResult_t> found(static_cast<size_t>(most));
  int count = 0;
  const cublasStatus_t status =
      lt_.heuristic(lt_.handle, product.product(), product.w(), product.x(), product.y(),
                    product.y(), preference_, most, found.data(), &count);
  found.resize(status == CUBLAS_STATUS_SUCCESS ? static_cast<size_t>(count) : 0);
  return found;
}

std::unique_ptr<VendorProducts> OpenCublasProducts() { return std::make_unique<CublasProducts>(); }

}  // namespace tandem::cuda
