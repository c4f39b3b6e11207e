#pragma once
// cuBLASLt, opened at run time: one program runs with and without it. For builds with CUDA alone.

#include <cublasLt.h>

#include <cstdint>
#include <vector>

namespace tandem::cuda {

// Its functions, by their names there. Open until the process ends, as the CUDA runtime is.
struct CublasLt {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtGetVersion) version = nullptr;
  decltype(&cublasLtMatmulDescCreate) desc_create = nullptr;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) layout_create = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtMatmulAlgoCheck) check = nullptr;
  decltype(&cublasLtMatmulAlgoConfigGetAttribute) config = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
  cublasLtHandle_t handle = nullptr;
};

// DeviceError when it is not there. Any thread.
const CublasLt& TheCublasLt();

// DeviceError that says what failed.
void CheckCublas(cublasStatus_t status, const char* what);

// A product y^T [n, m] = w [k, n]^T x^T [k, m] in its column-major words: w and x are rows of k in
// bf16, y rows of n.
class CublasDescriptors {
 public:
  struct Shape {
    int64_t m, n, k;
    bool y_is_f32;
  };
  explicit CublasDescriptors(const Shape& shape);
  CublasDescriptors(const CublasDescriptors&) = delete;
  CublasDescriptors& operator=(const CublasDescriptors&) = delete;
  ~CublasDescriptors();

  cublasLtMatmulDesc_t product() const { return product_; }
  cublasLtMatrixLayout_t w() const { return w_; }
  cublasLtMatrixLayout_t x() const { return x_; }
  cublasLtMatrixLayout_t y() const { return y_; }

 private:
  void Destroy() noexcept;

  const CublasLt& lt_ = TheCublasLt();
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatrixLayout_t w_ = nullptr, x_ = nullptr, y_ = nullptr;
};

// What a choice of algorithms is asked for.
class CublasPreference {
 public:
  CublasPreference();
  CublasPreference(const CublasPreference&) = delete;
  CublasPreference& operator=(const CublasPreference&) = delete;
  ~CublasPreference();

  template <typename Value>
  void Set(cublasLtMatmulPreferenceAttributes_t attribute, const Value& value) {
    CheckCublas(lt_.preference_set(preference_, attribute, &value, sizeof(value)),
                "setting a preference");
  }
  // At most `most`, its best guess first; none when it has nothing.
  std::vector<cublasLtMatmulHeuristicResult_t> Propose(const CublasDescriptors& product,
                                                       int most) const;

 private:
  const CublasLt& lt_ = TheCublasLt();
  cublasLtMatmulPreference_t preference_ = nullptr;
};

}  // namespace tandem::cuda
