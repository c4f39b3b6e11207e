#pragma once
// The op table (one for tests and benchmarks): every op of kernels/, each in small odd shapes and
// in those of MiniMind 26M (hidden 512) and 104M (hidden 768).

#include <vector>

#include "tests/support/ops/op_case.h"

namespace tandem {

std::vector<OpCase> OpCases(OpUse use);

// What is wrong when the case runs with operands in the memory of `device`, against double
// precision of the same operands on the CPU; empty: nothing, or nothing to compare with.
std::string DifferenceOnDevice(Context& device, const OpCase& op);

// The table's parts, one file each.
void AddMatmulCases(std::vector<OpCase>& cases);
void AddRowCases(std::vector<OpCase>& cases);
void AddTableCases(std::vector<OpCase>& cases);
void AddAttentionCases(std::vector<OpCase>& cases);
void AddAttentionBackwardCases(std::vector<OpCase>& cases);
void AddDropoutAttentionCases(std::vector<OpCase>& cases);
void AddKvCases(std::vector<OpCase>& cases);
void AddMoeCases(std::vector<OpCase>& cases);
void AddBackwardCases(std::vector<OpCase>& cases);
void AddLossCases(std::vector<OpCase>& cases);
void AddSamplingCases(std::vector<OpCase>& cases);

}  // namespace tandem
