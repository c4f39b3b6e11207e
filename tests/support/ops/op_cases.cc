#include "tests/support/ops/op_cases.h"

#include <algorithm>
#include <cmath>

#include "tests/support/ops/operands.h"

namespace tandem {

std::string Times(std::initializer_list<int64_t> dims) {
  std::string text;
  for (const int64_t dim : dims) text += (text.empty() ? "" : " x ") + std::to_string(dim);
  return text;
}

std::string Difference(ConstTensorView got, const std::vector<double>& want, double tolerance) {
  if (got.num_elements() != static_cast<int64_t>(want.size())) return "has another size";
  double largest = 0;
  for (const double value : want) {
    if (!std::isnan(value)) largest = std::max(largest, std::abs(value));
  }
  const double bound = tolerance * largest;
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::isnan(want[i])) continue;
    const double value = ElementAsDouble(got, static_cast<int64_t>(i));
    if (std::abs(value - want[i]) <= bound) continue;
    return "element " + std::to_string(i) + " is " + std::to_string(value) + ", not " +
           std::to_string(want[i]) + " within " + std::to_string(bound);
  }
  return "";
}

std::vector<OpCase> OpCases(OpUse use) {
  std::vector<OpCase> cases;
  AddMatmulCases(cases);
  AddRowCases(cases);
  AddTableCases(cases);
  AddAttentionCases(cases);
  AddAttentionBackwardCases(cases);
  AddDropoutAttentionCases(cases);
  AddKvCases(cases);
  AddMoeCases(cases);
  AddBackwardCases(cases);
  AddLossCases(cases);
  AddSamplingCases(cases);
  std::erase_if(cases, [use](const OpCase& c) { return c.use != use; });
  return cases;
}

}  // namespace tandem
