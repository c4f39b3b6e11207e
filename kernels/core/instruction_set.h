#pragma once
// Which CPU instructions the kernels may use. Chosen once per Context; results are bitwise
// reproducible for one instruction set, not across them. `/version` prints the choice.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tandem {

// Ascending: each includes the ones before it.
enum class InstructionSet : uint8_t {
  kPortable,    // whatever the compiler's baseline is
  kAvx2,        // AVX2, FMA, F16C
  kAvx512,      // F, BW, VL, DQ
  kAvx512Bf16,  // and BF16, VNNI
  kAmx,         // and AMX tiles: bf16, int8
};

std::string_view Name(InstructionSet isa);
std::optional<InstructionSet> ParseInstructionSet(std::string_view name);

// The best one this machine and operating system offer (asks the kernel for AMX tile state once).
InstructionSet BestInstructionSet();
// All usable ones, ascending: what tests iterate over.
std::vector<InstructionSet> UsableInstructionSets();

}  // namespace tandem
