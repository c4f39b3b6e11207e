#include "kernels/core/instruction_set.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tandem {
namespace {

#if defined(__x86_64__)
// Linux gives a process the AMX tile registers only after it asks (arch_prctl(2)).
bool RequestAmxTiles() {
  constexpr int kArchReqXcompPerm = 0x1023;
  constexpr int kXfeatureXtiledata = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtiledata) == 0;
}

// g++ 12's __builtin_cpu_supports does not know AMX: CPUID leaf 7, EDX bits 22 (bf16), 24, 25
// (int8).
bool CpuHasAmx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  constexpr unsigned kNeeded = (1u << 22) | (1u << 24) | (1u << 25);
  return (edx & kNeeded) == kNeeded;
}

InstructionSet Detect() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    return InstructionSet::kPortable;
  }
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq")) {
    return InstructionSet::kAvx2;
  }
  if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vnni")) {
    return InstructionSet::kAvx512;
  }
  return CpuHasAmx() && RequestAmxTiles() ? InstructionSet::kAmx : InstructionSet::kAvx512Bf16;
}
#else
InstructionSet Detect() { return InstructionSet::kPortable; }
#endif

}  // namespace

std::string_view Name(InstructionSet isa) {
  switch (isa) {
    case InstructionSet::kPortable:
      return "portable";
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kAvx512:
      return "avx512";
    case InstructionSet::kAvx512Bf16:
      return "avx512_bf16";
    case InstructionSet::kAmx:
      return "amx";
  }
  return "?";
}

std::optional<InstructionSet> ParseInstructionSet(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(InstructionSet::kAmx); ++i) {
    const auto isa = static_cast<InstructionSet>(i);
    if (Name(isa) == name) return isa;
  }
  return std::nullopt;
}

InstructionSet BestInstructionSet() {
  static const InstructionSet best = Detect();
  return best;
}

std::vector<InstructionSet> UsableInstructionSets() {
  std::vector<InstructionSet> usable;
  for (int i = 0; i <= static_cast<int>(BestInstructionSet()); ++i) {
    usable.push_back(static_cast<InstructionSet>(i));
  }
  return usable;
}

}  // namespace tandem
