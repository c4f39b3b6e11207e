// Standard and project headers first: only the probe's own functions may use the instructions.
#include <cstdint>
#include <cstring>

#include "kernels/core/dtype.h"
#include "tests/kernels/cpu/vec_probe.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512")
#endif

#include "tests/kernels/cpu/vec_probe_body.h"

namespace tandem {

VecProbe Avx512Probe() { return cpu::MakeProbe("avx512"); }

}  // namespace tandem
