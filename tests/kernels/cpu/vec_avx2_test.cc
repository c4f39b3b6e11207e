// Standard and project headers first: only the probe's own functions may use the instructions.
#include <cstdint>
#include <cstring>

#include "kernels/core/dtype.h"
#include "tests/kernels/cpu/vec_probe.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma GCC target("avx2,fma,f16c")
#endif

#include "tests/kernels/cpu/vec_probe_body.h"

namespace tandem {

VecProbe Avx2Probe() { return cpu::MakeProbe("avx2"); }

}  // namespace tandem
