// Operands are memory that the host and the device share, so that the table's own cases, made and
// compared on the host, run on the device unchanged, sentinels and all. Where there is no such
// memory, they are copied.

#include <algorithm>
#include <map>

#include "kernels/core/devices.h"
#include "kernels/core/error.h"
#include "tests/gpu/managed_memory.h"
#include "tests/gpu/parts.h"
#include "tests/support/device_context.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/op_check.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

class SharedOperands {
 public:
  explicit SharedOperands(Device device) {
    if (device != kCpuDevice) SetHostMemory(&ManagedMemory());
  }
  SharedOperands(const SharedOperands&) = delete;
  ~SharedOperands() { SetHostMemory(nullptr); }
};

bool CanShareOperands() {
  try {
    const HostMemory& memory = ManagedMemory();
    memory.release(memory.allocate(64));
    return true;
  } catch (const DeviceError&) {
    return false;
  }
}

Finding CheckOp(const OpCase& c, Device device) {
  if (device != kCpuDevice && !CanShareOperands()) {
    DeviceContext on_device(device);
    std::string error = DifferenceOnDevice(on_device, c);
    if (!error.empty()) return Failed(std::move(error));
    return Passed("operands in the device's own memory, so once and without sentinels");
  }
  const SharedOperands shared(device);
  OpContext on_cpu;
  DeviceContext on_device(device);
  const std::unique_ptr<OpRun> run = c.prepare(on_cpu);
  const std::vector<std::vector<double>> want = run->Reference();
  std::string error = RunAndCompare(c, *run, on_device, want);
  if (!error.empty()) return Failed(std::move(error));
  const OutputBits first = BitsOf(*run);
  error = RunAndCompare(c, *run, on_device, want);
  if (error.empty() && BitsOf(*run) != first) error = "other bits the second time";
  return FailedUnlessEmpty(std::move(error));
}

// Of each op the case of middling size.
std::vector<OpCase> OneOfEach(const std::vector<OpCase>& cases) {
  std::map<std::string, std::vector<OpCase>> by_op;
  for (const OpCase& c : cases) by_op[c.op].push_back(c);
  std::vector<OpCase> chosen;
  for (auto& [op, of_op] : by_op) {
    const auto middle = of_op.begin() + static_cast<std::ptrdiff_t>(of_op.size() / 2);
    std::nth_element(of_op.begin(), middle, of_op.end(),
                     [](const OpCase& a, const OpCase& b) { return a.bytes < b.bytes; });
    chosen.push_back(*middle);
  }
  return chosen;
}

}  // namespace

std::vector<CheckItem> OpItems(const CheckOptions& options) {
  const Device device = FindDevice(options.device);
  std::vector<OpCase> cases = OpCases(OpUse::kTest);
  std::erase_if(
      cases, [&](const OpCase& c) { return c.Label().find(options.filter) == std::string::npos; });
  if (options.tiny) cases = OneOfEach(cases);
  std::vector<CheckItem> items;
  for (const OpCase& c : cases) {
    items.push_back({c.Label(), [c, device](const RowSink&) { return CheckOp(c, device); }});
  }
  return items;
}

}  // namespace tandem
