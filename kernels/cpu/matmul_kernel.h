#pragma once
// What a CPU matmul kernel is: one instruction set's way to multiply a block of rows by a block of
// panels. Internal to the CPU matmul; included by files compiled for different instruction sets, so
// nothing here may be an inline function that the linker could take from the wrong one.

#include <cstddef>
#include <cstdint>

#include "kernels/core/dtype.h"
#include "kernels/core/instruction_set.h"

namespace tandem::cpu {

// How a kernel wants a row of x. Padding elements are zero, so that the kernel needs no tail in k
// and a NaN in one row cannot reach another.
enum class InputForm : uint8_t {
  kPlain,       // as it is, padded to a multiple of k_multiple
  kSwappedF32,  // bf16 widened to f32, each pair as (odd, even)
  kSplitI16,    // i8 widened to i16, each four as (0, 2, 1, 3)
  kUnsigned,    // i8 plus 128, as u8
};

// The operands of a whole product. All pointers live for the call.
struct MatmulOperands {
  const std::byte* x;     // [tokens] rows in the kernel's InputForm
  int64_t x_row_bytes;    // from one row to the next
  const float* x_scales;  // [tokens]; i8 only
  const std::byte* w;     // panels, as PackedMatrix lays them out
  int64_t panel_bytes;    // from one panel to the next
  int64_t num_groups;     // padded_k / group: rows of a panel, 64 * group elements each
  const float* w_scales;  // [padded_n]; i8 only
  const int32_t* w_sums;  // [padded_n]; i8 only
  const float* bias;      // [n], or null
  float* y;               // [tokens, n]
  int64_t n;
  bool add_to_y;
};

// Rows of x times panels of w; what one thread does.
struct MatmulBlock {
  int64_t row_begin;
  int64_t row_end;
  int64_t panel_begin;
  int64_t panel_end;
};

struct MatmulKernel {
  InputForm form;
  int64_t k_multiple;    // what k is padded to in x
  int64_t tile_rows;     // rows that share one pass over a panel; splits between threads respect it
  double macs_per_byte;  // products in the time that one byte takes from the last cache, about
  void (*run)(const MatmulOperands&, const MatmulBlock&);
};

constexpr int64_t kPanelColumns = 64;

// One table for each instruction set, by dtype of the weights; `run` is null where the set adds
// nothing to the one before it.
struct MatmulKernels {
  MatmulKernel f32{};
  MatmulKernel f16{};
  MatmulKernel bf16{};
  MatmulKernel i8{};
};

extern const MatmulKernels kPortableMatmul;
#if defined(__x86_64__)
extern const MatmulKernels kAvx2Matmul;
extern const MatmulKernels kAvx512Matmul;
extern const MatmulKernels kAvx512Bf16Matmul;
extern const MatmulKernels kAmxMatmul;
#endif

const MatmulKernel& FindMatmulKernel(InstructionSet isa, DType weights);

}  // namespace tandem::cpu
