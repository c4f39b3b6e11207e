#include "tests/kernels/cpu/vec_probe_body.h"

namespace tandem {

VecProbe PortableProbe() { return cpu::MakeProbe("portable"); }

}  // namespace tandem
