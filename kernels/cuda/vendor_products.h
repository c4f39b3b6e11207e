#pragma once
// Products of a vendor's library, beside our own tiles: which of its algorithms multiply with the
// matrices of a shape is decided once, before the first product, and verified bitwise.
//
// A library picks its kernel by the number of rows, and kernels differ in their order of sums: a
// row's bits would depend on its batch. So each range of numbers of rows has one algorithm, fixed,
// which does not split k; and a range has only such a one as gives rows the very bits that they
// have in every other range, wherever they lie in a batch. What no algorithm does, our tiles do:
// for a range if they have the same bits, else for all rows of the shape.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/context.h"
#include "kernels/matmul.h"

namespace tandem::cuda {

struct ProductShape {
  int64_t n = 0;  // outputs
  int64_t k = 0;  // inputs
  friend bool operator==(const ProductShape&, const ProductShape&) = default;
};

// y = x w^T, or y += x w^T, with fp32 sums.
struct ProductOperands {
  const std::byte* x = nullptr;  // [rows, k], bf16
  const std::byte* w = nullptr;  // [n, k], bf16
  float* y = nullptr;            // [rows, n]
  int64_t rows = 0;
  bool add = false;
};

// What the library calls an algorithm; opaque.
using ProductAlgorithm = std::array<uint64_t, 8>;

class VendorProducts {
 public:
  virtual ~VendorProducts() = default;
  virtual std::string name() const = 0;  // "cuBLASLt 13.1"
  // Algorithms that do not split k, for about so many rows, its own best guess first. The same ones
  // in every process on a machine.
  virtual std::vector<ProductAlgorithm> Propose(const ProductShape& shape, int64_t rows) = 0;
  virtual bool Accepts(const ProductAlgorithm& algorithm, const ProductShape& shape,
                       int64_t rows) = 0;
  // In the order of the context's stream; operands are multiples of 16 bytes. DeviceError.
  virtual void Run(Context& context, const ProductAlgorithm& algorithm, const ProductShape& shape,
                   const ProductOperands& operands) = 0;
};

// Ranges of numbers of rows, each up to and with its number; more rows are the last one's.
inline constexpr std::array<int64_t, 5> kRowRanges = {16, 64, 256, 1024, INT64_MAX};

// What multiplies in each of kRowRanges; nothing: our own tiles.
using ProductPlan = std::array<std::optional<ProductAlgorithm>, kRowRanges.size()>;

// How large the products are that algorithms are tried on.
struct ProbeSize {
  int64_t rows = 2048;                  // at most
  int64_t outputs = int64_t{20} << 20;  // rows * n: 80 MiB of each of three products
};

// Decides for `w`, which is bf16. Takes memory of the device while it runs, and waits for it.
ProductPlan PlanProducts(Context& context, VendorProducts& vendor, const PackedMatrix& w,
                         const ProbeSize& size = {});

// Where the library comes from; DeviceError when it is not there. Forgets all plans. Null: there is
// none. When the program starts, or in a test.
using OpenVendorProducts = std::unique_ptr<VendorProducts> (*)();
void SetVendorProducts(OpenVendorProducts open, const ProbeSize& size = {});

// cuBLASLt without workspace; in builds with CUDA.
std::unique_ptr<VendorProducts> OpenCublasProducts();

// By the plan for w's shape, if one says so. Any thread.
bool RunVendorProduct(Context& context, const MatmulArgs& args);

// By our own tiles, whatever the plan.
void RunOwnProduct(Context& context, const MatmulArgs& args);

struct CompareBitsArgs {
  const float* a = nullptr;  // [count]
  const float* b = nullptr;  // [count]
  int64_t count = 0;
  int32_t* differs = nullptr;  // becomes 1 where a bit does
};

void CompareBits(Context& context, const CompareBitsArgs& args);

// y[i] += bias[i mod n]
struct AddBiasArgs {
  const float* bias = nullptr;  // [n]
  int64_t n = 0;
  float* y = nullptr;  // [count], whole rows
  int64_t count = 0;
};

void AddBias(Context& context, const AddBiasArgs& args);

}  // namespace tandem::cuda
