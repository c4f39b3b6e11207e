#include "tests/support/ops/op_cases.h"

#include <algorithm>
#include <cmath>

#include "tests/support/ops/operands.h"
#include "tests/support/tolerances.h"

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

std::string DifferenceOnDevice(Context& device, const OpCase& op) {
  HostSide host(device);
  const std::vector<std::vector<double>> want = op.prepare(host)->Reference();
  const std::unique_ptr<OpRun> run = op.prepare(device);
  run->Run(device);
  Synchronize(device);
  const std::vector<ConstTensorView> outputs = run->Outputs();
  for (size_t i = 0; i < want.size(); ++i) {
    if (outputs[i].num_elements() == 0) continue;
    const HostCopy got(device, outputs[i]);
    const DType dtype = outputs[i].dtype() == DType::kF32 ? op.tolerance : outputs[i].dtype();
    const std::string difference = Difference(got.view(), want[i], OpTolerance(dtype));
    if (!difference.empty()) return "output " + std::to_string(i) + ": " + difference;
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
