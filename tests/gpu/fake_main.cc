// `check` on the fake GPU, with a part more: items that fail in every way there is.

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "kernels/core/device_memory.h"
#include "kernels/core/error.h"
#include "kernels/cuda/ops.h"
#include "kernels/embedding.h"
#include "tests/cuda_on_cpu/device_memory.h"
#include "tests/gpu/check_program.h"
#include "tests/gpu/parts.h"

namespace tandem {
namespace {

// As it should be, but for the first row of several.
void EmbedWronglyInABatch(Context& context, const EmbeddingArgs& args) {
  cuda::Ops().embedding(context, args);
  if (args.y.dim(0) < 2) return;
  const cuda_on_cpu::DeviceAccess access;
  args.y.data<float>()[0] += 0.25f;
}

// What the items of a part make of a backend that is wrong: the first failure.
Finding WithWrongEmbedding(std::vector<CheckItem> (*items)(const CheckOptions&),
                           CheckOptions options) {
  DeviceOps ops = cuda::Ops();
  ops.embedding = EmbedWronglyInABatch;
  SetDeviceOps(DeviceKind::kCuda, ops);
  Finding finding = Passed();
  for (const CheckItem& item : items(options)) {
    if (finding.outcome == CheckOutcome::kPassed) finding = item.run([](const BenchRow&) {});
  }
  SetDeviceOps(DeviceKind::kCuda, cuda::Ops());
  return finding;
}

std::vector<CheckItem> Faults(const CheckOptions& options) {
  std::vector<CheckItem> items = {
      {"passes",
       [](const RowSink& on_row) {
         on_row({.group = "faults", .name = "a figure", .value = 2, .unit = "tok/s"});
         return Passed("seen");
       }},
      {"fails", [](const RowSink&) { return Failed("is | wrong"); }},
      {"is skipped", [](const RowSink&) { return Skipped("nothing to do"); }},
      {"throws", [](const RowSink&) -> Finding { throw ConfigError("no such thing"); }},
      {"device error that stays",
       [](const RowSink&) -> Finding {
         cuda_on_cpu::SetDeviceFailure(700);
         throw DeviceError("an illegal address");
       }},
      {"device error that goes",
       [](const RowSink&) -> Finding { throw DeviceError("too little memory"); }},
      {"crashes",
       [](const RowSink& on_row) -> Finding {
         on_row({.group = "faults", .name = "before the crash", .value = 3, .unit = "tok/s"});
         write(STDERR_FILENO, "last words\n", 11);
         std::abort();
       }},
      {"a wrong op",
       [options](const RowSink&) {
         CheckOptions of_the_op = options;
         of_the_op.filter = "embedding ";
         of_the_op.tiny = false;
         return WithWrongEmbedding(OpItems, of_the_op);
       }},
      {"bits that depend on the batch",
       [options](const RowSink&) { return WithWrongEmbedding(InvarianceItems, options); }},
      {"passes after all", [](const RowSink&) { return Passed(); }},
  };
  if (options.filter == "hang") {
    items.push_back({"hangs", [](const RowSink&) -> Finding {
                       std::this_thread::sleep_for(std::chrono::hours(1));
                       return Passed();
                     }});
    items.push_back({"never runs", [](const RowSink&) { return Passed(); }});
  }
  return items;
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  using namespace tandem;
  SetDeviceOps(DeviceKind::kCuda, cuda::Ops());
  SetDeviceMemory(DeviceKind::kCuda, cuda::Memory());
  std::vector<Part> parts = AllParts();
  parts.push_back({"faults", "items that fail in every way", 30, Faults});
  return RunCheckProgram(argc, argv, parts);
}
