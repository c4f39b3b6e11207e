// For builds without CUDA.

#include "kernels/core/error.h"
#include "tests/bench/cublas_matmul.h"

namespace tandem {

std::unique_ptr<CublasMatmul> MakeCublasMatmul(Context&, const CublasOperands&) {
  throw DeviceError("this program was built without CUDA, and has no cuBLASLt");
}

}  // namespace tandem
