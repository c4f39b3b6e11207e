#pragma once
// What kernels/cuda/primitives/ptx.cuh says in PTX, said in C++: the layouts of fragments are those
// of the PTX manual (9.7.14, warp-level matrix instructions). Sums of products go up in k, in
// float; tensor cores round otherwise.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

namespace tandem::cuda_on_cpu {

struct MatrixRows {
  const void* row;
  uint32_t* fragments;
};

// Lane 8i + r gives row r of matrix i, eight elements of 16 bits; lane l gets of each matrix
// elements 2 (l mod 4) and the next of row l / 4, or of column l / 4 when transposed.
template <int kMatrices, bool kTransposed>
void LoadMatrix(uint32_t* fragments, const void* row, const std::source_location& where) {
  MatrixRows operand{row, fragments};
  WarpOperation(
      kTransposed ? "ldmatrix.trans" : "ldmatrix", 0xffffffffu, &operand,
      [](void* const operands[kWarpSize]) {
        for (int matrix = 0; matrix < kMatrices; ++matrix) {
          uint16_t elements[8][8];
          for (int r = 0; r < 8; ++r) {
            const auto& from = *static_cast<MatrixRows*>(operands[8 * matrix + r]);
            if (reinterpret_cast<uintptr_t>(from.row) % 16 != 0) {
              Fail("ldmatrix of a row whose address is no multiple of 16");
            }
            std::memcpy(elements[r], from.row, 16);
          }
          for (int lane = 0; lane < kWarpSize; ++lane) {
            const int i = lane / 4;
            const int j = lane % 4 * 2;
            const uint32_t low = kTransposed ? elements[j][i] : elements[i][j];
            const uint32_t high = kTransposed ? elements[j + 1][i] : elements[i][j + 1];
            static_cast<MatrixRows*>(operands[lane])->fragments[matrix] = low | high << 16;
          }
        }
      },
      where);
}

template <typename Sum>
struct MmaOperand {
  Sum* d;             // c on the way in
  const uint32_t* a;  // four registers
  const uint32_t* b;  // two
};

// Element i of the 16-bit or 8-bit ones in a register.
template <typename Element>
Element ElementOf(uint32_t bits, int i) {
  constexpr int kBits = 8 * sizeof(Element);
  using Raw = std::conditional_t<sizeof(Element) == 2, uint16_t, uint8_t>;
  return std::bit_cast<Element>(static_cast<Raw>(bits >> (i * kBits)));
}
inline float Widened(__nv_bfloat16 value) { return __bfloat162float(value); }
inline float Widened(__half value) { return __half2float(value); }
inline int32_t Widened(int8_t value) { return value; }

// m16n8k16 of 16-bit elements, m16n8k32 of 8-bit ones: with p elements in a register, lane 4g + t
// holds of A rows g and g + 8, of B column g, and in each k = pt .. pt + p - 1 and the same 4p
// further; of C and D columns 2t and 2t + 1 of rows g and g + 8.
template <typename Element, typename Sum>
void MultiplyAdd(Sum* d, const uint32_t* a, const uint32_t* b, const std::source_location& where) {
  MmaOperand<Sum> operand{d, a, b};
  WarpOperation(
      "mma", 0xffffffffu, &operand,
      [](void* const operands[kWarpSize]) {
        constexpr int kPer = 4 / sizeof(Element);
        constexpr int kDepth = 8 * kPer;
        Sum rows[16][kDepth];
        Sum columns[kDepth][8];
        for (int lane = 0; lane < kWarpSize; ++lane) {
          const auto& own = *static_cast<MmaOperand<Sum>*>(operands[lane]);
          const int g = lane / 4;
          for (int i = 0; i < kPer; ++i) {
            const int k = lane % 4 * kPer + i;
            rows[g][k] = Widened(ElementOf<Element>(own.a[0], i));
            rows[g + 8][k] = Widened(ElementOf<Element>(own.a[1], i));
            rows[g][k + 4 * kPer] = Widened(ElementOf<Element>(own.a[2], i));
            rows[g + 8][k + 4 * kPer] = Widened(ElementOf<Element>(own.a[3], i));
            columns[k][g] = Widened(ElementOf<Element>(own.b[0], i));
            columns[k + 4 * kPer][g] = Widened(ElementOf<Element>(own.b[1], i));
          }
        }
        for (int lane = 0; lane < kWarpSize; ++lane) {
          Sum* sums = static_cast<MmaOperand<Sum>*>(operands[lane])->d;
          for (int i = 0; i < 4; ++i) {
            const int row = lane / 4 + i / 2 * 8;
            const int column = lane % 4 * 2 + i % 2;
            Sum sum = sums[i];
            for (int k = 0; k < kDepth; ++k) sum += rows[row][k] * columns[k][column];
            sums[i] = sum;
          }
        }
      },
      where);
}

}  // namespace tandem::cuda_on_cpu
