#include "kernels/embedding.h"

#include "kernels/core/shape_check.h"
#include "kernels/cpu/pack.h"

namespace tandem {

void Embedding(Context& context, const EmbeddingArgs& args) {
  Dim tokens{"tokens"};
  Dim hidden{"hidden", args.table.k()};
  ShapeCheck check("Embedding");
  check.Match("ids", args.ids, {tokens}).Type("ids", args.ids, {DType::kI32});
  check.Match("y", args.y, {tokens, hidden}).Type("y", args.y, {DType::kF32});
  const int32_t* ids = args.ids.data<int32_t>();
  for (int64_t t = 0; t < tokens; ++t) {
    CHECK(ids[t] >= 0 && ids[t] < args.table.n(), "token", t, "id", ids[t], "vocabulary",
          args.table.n());
  }
  CHECK(context.device.kind == DeviceKind::kCpu);

  // A row is strided through its panel: one cache line for each group of k, so a token costs
  // microseconds and two of them are worth two threads.
  auto* y = args.y.data<float>();
  context.pool.ForRanges(tokens, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) cpu::UnpackRow(args.table, ids[t], y + t * hidden);
  });
}

}  // namespace tandem
