#include "tests/support/ops/op_cases.h"

namespace tandem {

std::string Times(std::initializer_list<int64_t> dims) {
  std::string text;
  for (const int64_t dim : dims) text += (text.empty() ? "" : " x ") + std::to_string(dim);
  return text;
}

std::vector<OpCase> OpCases(OpUse use) {
  std::vector<OpCase> cases;
  AddMatmulCases(cases);
  AddRowCases(cases);
  AddTableCases(cases);
  AddAttentionCases(cases);
  AddMoeCases(cases);
  AddSamplingCases(cases);
  std::erase_if(cases, [use](const OpCase& c) { return c.use != use; });
  return cases;
}

}  // namespace tandem
