#pragma once
// All that kernels say to the hardware below the level of CUDA C++: PTX for the device, and the
// same in C++ where kernels run on the CPU (tests/cuda_on_cpu). The only file, beside launch.cuh,
// that knows of the difference. Needs sm_80. Every lane of a warp must take part in a warp-wide
// operation.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#if !defined(__CUDACC__)
#include <cuda_on_cpu_ptx.h>
#include <source_location>
#endif

namespace tandem::cuda {

// ---- Shared memory ----

// The block's own T, for a kernel that needs little: one struct with all that it shares.
template <typename T>
__device__ __forceinline__ T& StaticShared() {
#if defined(__CUDACC__)
  __shared__ alignas(16) unsigned char memory[sizeof(T)];
  return reinterpret_cast<T&>(memory);
#else
  static const char key = 0;
  return *reinterpret_cast<T*>(cuda_on_cpu::StaticShared(&key, sizeof(T)));
#endif
}

// The memory that the launch asked for (LaunchShape::shared_bytes); its begin is a multiple of 16.
__device__ __forceinline__ unsigned char* DynamicShared() {
#if defined(__CUDACC__)
  extern __shared__ __align__(16) unsigned char dynamic_shared_memory[];
  return dynamic_shared_memory;
#else
  return reinterpret_cast<unsigned char*>(cuda_on_cpu::DynamicShared());
#endif
}

#if defined(__CUDACC__)
__device__ __forceinline__ uint32_t SharedAddress(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}
#endif

// ---- Launches that overlap (LaunchShape::waits_inside) ----

// Returns when all kernels before this one have ended and what they wrote can be read. Every thread
// calls it before it reads or writes global memory: until then others may write what it reads, and
// read where it writes. In other launches it does nothing.
__device__ __forceinline__ void AwaitPrevious() {
#if !defined(__CUDACC__)
  cuda_on_cpu::AwaitPrevious();
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;\n" ::: "memory");
#endif
}

// The next kernel may start, and wait, once every block of this one has said so or has ended; it
// takes no block's place then. Called after AwaitPrevious, at the begin: a kernel that starts early
// so knows that all but the one before it have ended.
__device__ __forceinline__ void LetNextStart() {
#if !defined(__CUDACC__)
  cuda_on_cpu::LetNextStart();
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;\n" ::: "memory");
#endif
}

// ---- Asynchronous copies: 16 bytes from global to shared memory, past the first cache ----

// Both addresses multiples of 16. `bytes`, 0 to 16, are read; zeros fill the rest.
__device__ __forceinline__ void CopyAsync16(void* to_shared, const void* from, int bytes = 16) {
#if defined(__CUDACC__)
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(SharedAddress(to_shared)),
               "l"(from), "r"(bytes)
               : "memory");
#else
  cuda_on_cpu::DeferCopy(to_shared, from, static_cast<size_t>(bytes),
                         static_cast<size_t>(16 - bytes));
#endif
}

// The copies since the last commit are a group from here on.
__device__ __forceinline__ void CommitCopies() {
#if defined(__CUDACC__)
  asm volatile("cp.async.commit_group;\n" ::: "memory");
#else
  cuda_on_cpu::CommitCopies();
#endif
}

// Waits until at most the newest kGroups groups of this thread are under way. Other threads see
// what this one copied after a barrier.
template <int kGroups>
__device__ __forceinline__ void AwaitCopies() {
#if defined(__CUDACC__)
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kGroups) : "memory");
#else
  cuda_on_cpu::AwaitCopies(kGroups);
#endif
}

#if defined(__CUDACC__)
#define TANDEM_WHERE
#else
#define TANDEM_WHERE , const std::source_location& where = std::source_location::current()
#endif

// ---- Fragments of matrices in shared memory ----

// Four 8 x 8 matrices of 16-bit elements. Lane 8i + r gives the address of row r of matrix i, a
// multiple of 16; a lane gets elements 2 (l mod 4) and the next of row l / 4 of each.
__device__ __forceinline__ void LoadMatrix4(uint32_t (&fragments)[4],
                                            const void* row TANDEM_WHERE) {
#if defined(__CUDACC__)
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(SharedAddress(row))
               : "memory");
#else
  cuda_on_cpu::LoadMatrix<4, false>(fragments, row, where);
#endif
}

// The same of the transposed matrices: two elements of column l / 4.
__device__ __forceinline__ void LoadMatrix4Transposed(uint32_t (&fragments)[4],
                                                      const void* row TANDEM_WHERE) {
#if defined(__CUDACC__)
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(SharedAddress(row))
               : "memory");
#else
  cuda_on_cpu::LoadMatrix<4, true>(fragments, row, where);
#endif
}

// ---- Products of tiles: d += a b, with 16 rows, 8 columns, and 16 (16-bit) or 32 (8-bit) deep
// ----

// What the elements in 32-bit registers are.
struct Bf16Elements {};
struct Fp16Elements {};
struct Int8Elements {};

__device__ __forceinline__ void MultiplyAdd(Bf16Elements, float (&d)[4], const uint32_t (&a)[4],
                                            const uint32_t (&b)[2] TANDEM_WHERE) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  cuda_on_cpu::MultiplyAdd<__nv_bfloat16>(d, a, b, where);
#endif
}

__device__ __forceinline__ void MultiplyAdd(Fp16Elements, float (&d)[4], const uint32_t (&a)[4],
                                            const uint32_t (&b)[2] TANDEM_WHERE) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  cuda_on_cpu::MultiplyAdd<__half>(d, a, b, where);
#endif
}

__device__ __forceinline__ void MultiplyAdd(Int8Elements, int32_t (&d)[4], const uint32_t (&a)[4],
                                            const uint32_t (&b)[2] TANDEM_WHERE) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};\n"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  cuda_on_cpu::MultiplyAdd<int8_t>(d, a, b, where);
#endif
}

#undef TANDEM_WHERE

}  // namespace tandem::cuda
