#include "tests/support/ops/op_check.h"

#include "kernels/core/device_memory.h"
#include "tests/support/tolerances.h"

namespace tandem {

OutputBits BitsOf(const OpRun& run) {
  OutputBits bits;
  for (const ConstTensorView& output : run.Outputs()) {
    bits.emplace_back(output.bytes(), output.bytes() + output.size_bytes());
  }
  return bits;
}

std::string RunAndCompare(const OpCase& c, OpRun& run, Context& context,
                          const std::vector<std::vector<double>>& want) {
  run.Reset();
  run.Run(context);
  Synchronize(context);
  if (!run.tensors().Intact()) return "an input or a sentinel has changed";
  const std::vector<ConstTensorView> outputs = run.Outputs();
  if (outputs.size() != want.size()) return "has another number of outputs than the reference";
  for (size_t i = 0; i < want.size(); ++i) {
    const DType dtype = outputs[i].dtype() == DType::kF32 ? c.tolerance : outputs[i].dtype();
    const std::string difference = Difference(outputs[i], want[i], OpTolerance(dtype));
    if (!difference.empty()) return "output " + std::to_string(i) + ": " + difference;
  }
  return "";
}

}  // namespace tandem
