#pragma once
// Matmul: y[t, n] (=, +=) sum over k of x[t, k] * w[n, k] (+ bias[n]), with weights packed once.
//
// The arithmetic of one y element depends on its row of x, its row of w and the instruction set
// only: k ascends into one fp32 accumulator (bf16: pairs, fma(odd) then fma(even); int8: exact
// integers, then (sum * x_scale) * w_scale in fp32), then bias, then the addition to y. On AMX bf16
// products go in chunks of 16 pairs: odd and even products are summed apart from zero, and the sum
// of both is added. Rows and columns may be tiled and split among threads freely: the bits do not
// change (DESIGN 3.1).
//
//   weights   x dtype   computes
//   f32       f32       f32
//   f16       f32       weights widened to f32 (storage only on the CPU)
//   bf16      bf16      bf16 products, f32 sums
//   i8        i8        i32 sums; y = sum * x_scale[t] * w_scale[n]

#include <cstdint>
#include <string>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace tandem {

// Owns a weight matrix [n, k] in the layout that its device's kernels read fastest. Movable, not
// copyable. Any thread may read; the trainer's optimiser is the only writer, while no step runs.
//
// Layout on the CPU: panels of 64 rows of w (columns of the product). Inside a panel k ascends in
// groups of 1 (f32, f16), 2 (bf16) or 4 (i8) elements: [n/64][k/group][64][group]. n is padded to
// 64 and k to the group with zeros. On other devices: rows [n][k], as a vendor's product wants
// them, each padded to 16 bytes with zeros.
class PackedMatrix {
 public:
  static constexpr int64_t kPanel = 64;

  PackedMatrix() = default;

  int64_t n() const { return n_; }  // outputs
  int64_t k() const { return k_; }  // inputs
  DType dtype() const { return dtype_; }
  // What Matmul wants x to be.
  DType input_dtype() const { return dtype_ == DType::kF16 ? DType::kF32 : dtype_; }
  int64_t size_bytes() const {
    return data_.size_bytes() + scales_.size_bytes() + sums_.size_bytes();
  }
  bool empty() const { return data_.empty(); }
  Device device() const { return data_.device(); }

  const std::byte* data() const { return data_.data(); }
  std::byte* data() { return data_.data(); }
  int64_t padded_n() const { return (n_ + kPanel - 1) / kPanel * kPanel; }
  int64_t group() const { return dtype_ == DType::kBf16 ? 2 : dtype_ == DType::kI8 ? 4 : 1; }
  int64_t padded_k() const { return (k_ + group() - 1) / group() * group(); }
  int64_t panel_bytes() const { return padded_k() * kPanel * SizeOf(dtype_); }
  // From one row to the next, on other devices than the CPU.
  int64_t row_bytes() const { return (k_ * SizeOf(dtype_) + 15) / 16 * 16; }
  // i8 only: scale of each output, f32 [padded_n], and the sum of its k quantised weights, i32
  // [padded_n] (for kernels that multiply unsigned by signed).
  const float* scales() const { return reinterpret_cast<const float*>(scales_.data()); }
  const int32_t* sums() const { return reinterpret_cast<const int32_t*>(sums_.data()); }
  float* scales() { return reinterpret_cast<float*>(scales_.data()); }
  int32_t* sums() { return reinterpret_cast<int32_t*>(sums_.data()); }

 private:
  friend PackedMatrix AllocateMatrix(DType dtype, int64_t n, int64_t k, Device device);
  friend PackedMatrix CopyMatrix(Context& context, const PackedMatrix& from, Device device);

  int64_t n_ = 0;
  int64_t k_ = 0;
  DType dtype_ = DType::kF32;
  Buffer data_;
  Buffer scales_;
  Buffer sums_;
};

// A zero matrix of the packed form. dtype: f32, f16, bf16 or i8.
PackedMatrix AllocateMatrix(DType dtype, int64_t n, int64_t k, Device device = kCpuDevice);

// The same weights on another device, which is the context's, or from there on the CPU. On the
// device they are there after Synchronize; on the CPU at once.
PackedMatrix CopyMatrix(Context& context, const PackedMatrix& from, Device device);

// Packs `w` [rows, k] (f32, bf16 or f16) as rows first_row.. of `packed`, converting (round to
// nearest even; i8: symmetric per row, scale = max|w| / 127, round half to even; an all-zero row
// gets scale 0).
void PackRows(Context& context, ConstTensorView w, int64_t first_row, PackedMatrix& packed);

// PackRows of a whole matrix.
PackedMatrix PackMatrix(Context& context, ConstTensorView w, DType dtype);

// The weights as the arithmetic sees them: rows [first_row, first_row + out.dim(0)) as f32 [rows,
// k]. All in memory of the context's device; without a context, of the CPU.
void UnpackRows(Context& context, const PackedMatrix& packed, int64_t first_row, TensorView out);
void UnpackRows(const PackedMatrix& packed, int64_t first_row, TensorView out);

// What those functions, and PackColumns below, give a device.
struct PackRowsArgs {
  ConstTensorView w;  // [rows, k], f32, bf16 or f16
  int64_t first_row = 0;
  PackedMatrix& packed;  // [n, k]
};
struct PackColumnsArgs {
  ConstTensorView w;     // [k, n], f32 or bf16
  PackedMatrix& packed;  // [n, k], f32, bf16 or f16
};
struct UnpackRowsArgs {
  const PackedMatrix& packed;  // [n, k]
  int64_t first_row = 0;
  TensorView out;  // [rows, k], f32
};

enum class MatmulOutput : uint8_t {
  kStore,  // y = x w^T + bias
  kAdd,    // y += x w^T + bias
};

struct MatmulArgs {
  ConstTensorView x;         // [tokens, k], w.input_dtype()
  ConstTensorView x_scales;  // [tokens], f32; i8 only
  const PackedMatrix& w;     // [n, k]
  ConstTensorView bias{};    // [n], f32, or empty
  TensorView y;              // [tokens, n], f32
  MatmulOutput output = MatmulOutput::kStore;
};

void Matmul(Context& context, const MatmulArgs& args);

// Lets a device decide what multiplies with matrices of w's shape and dtype, before the first
// product with one: it may try a library's algorithms, which takes time and memory of its own, once
// a shape. The bits of a row are the same in every batch, whatever is decided; of a shape that is
// multiplied with first, nothing is. Nothing on the CPU.
void PrepareMatmul(Context& context, const PackedMatrix& w);

struct PrepareMatmulArgs {
  const PackedMatrix& w;
};

// What multiplies on the context's device, for the report at a start.
struct ProductCounts {
  std::string library;     // "cuBLASLt 13.1"; empty: none
  int64_t shapes = 0;      // that were prepared or multiplied with
  int64_t by_library = 0;  // of them
};

ProductCounts CountProducts(const Context& context);

// "cuBLASLt 13.1 for 5 of 6 shapes of matrices"; empty without a library.
std::string Describe(const ProductCounts& counts);

// ---- Backward ----
// Of y = x w^T + bias, given dy: dx = dy w is Matmul of dy with w^T packed (PackColumns); dw is
// MatmulWeightGradient; dbias is SumRows of dy (kernels/gradient.h).

// Packs w^T of `w` [k, n] (f32 or bf16) as the whole of `packed` [n, k] (f32, bf16 or f16).
void PackColumns(Context& context, ConstTensorView w, PackedMatrix& packed);

// dw[n, k] (=, +=) sum over t of dy[t, n] * x[t, k]: Matmul's arithmetic for weights of x's dtype,
// with the tokens in the place of k. dy is rounded to x's dtype.
struct MatmulWeightGradientArgs {
  ConstTensorView dy;  // [tokens, n], f32 or bf16
  ConstTensorView x;   // [tokens, k], f32 or bf16: what Matmul read
  TensorView dw;       // [n, k], f32
  MatmulOutput output = MatmulOutput::kStore;
};

void MatmulWeightGradient(Context& context, const MatmulWeightGradientArgs& args);

}  // namespace tandem
