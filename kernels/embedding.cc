#include "kernels/embedding.h"

#include <algorithm>

#include "kernels/core/shape_check.h"
#include "kernels/cpu/pack.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/device_ops.h"

namespace tandem {

void Embedding(Context& context, const EmbeddingArgs& args) {
  Dim tokens{"tokens"};
  Dim hidden{"hidden", args.table.k()};
  ShapeCheck check("Embedding");
  check.Match("ids", args.ids, {tokens}).Type("ids", args.ids, {DType::kI32});
  check.Match("y", args.y, {tokens, hidden}).Type("y", args.y, {DType::kF32});
  if (RunOnDevice(context, &DeviceOps::embedding, "Embedding", args)) return;
  const int32_t* ids = args.ids.data<int32_t>();
  for (int64_t t = 0; t < tokens; ++t) {
    CHECK(ids[t] >= 0 && ids[t] < args.table.n(), "token", t, "id", ids[t], "vocabulary",
          args.table.n());
  }

  // A row is strided through its panel: one cache line for each group of k, so a token costs
  // microseconds and two of them are worth two threads.
  auto* y = args.y.data<float>();
  context.pool.ForRanges(tokens, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) cpu::UnpackRow(args.table, ids[t], y + t * hidden);
  });
}

void EmbeddingBackward(Context& context, const EmbeddingBackwardArgs& args) {
  Dim tokens{"tokens"}, vocab{"vocab"}, hidden{"hidden"};
  ShapeCheck check("EmbeddingBackward");
  check.Match("dtable", args.dtable, {vocab, hidden}).Type("dtable", args.dtable, {DType::kF32});
  check.Match("dy", args.dy, {tokens, hidden}).Type("dy", args.dy, {DType::kF32});
  check.Match("ids", args.ids, {tokens}).Type("ids", args.ids, {DType::kI32});
  if (RunOnDevice(context, &DeviceOps::embedding_backward, "EmbeddingBackward", args)) return;
  const int32_t* ids = args.ids.data<int32_t>();
  for (int64_t t = 0; t < tokens; ++t) {
    CHECK(ids[t] >= 0 && ids[t] < vocab, "token", t, "id", ids[t], "vocabulary", vocab.value());
  }
  // Threads own columns, so that a row is added to in the order of the tokens.
  constexpr int64_t kStrip = 16;
  const float* dy = args.dy.data<float>();
  float* dtable = args.dtable.data<float>();
  const int64_t num_strips = (hidden + kStrip - 1) / kStrip;
  context.pool.ForRanges(
      num_strips, cpu::GrainRows(tokens * kStrip), [&](int64_t begin, int64_t end) {
        const int64_t first = begin * kStrip, last = std::min(end * kStrip, hidden.value());
        for (int64_t t = 0; t < tokens; ++t) {
          const float* from = dy + t * hidden;
          float* to = dtable + ids[t] * hidden;
          for (int64_t i = first; i < last; ++i) to[i] += from[i];
        }
      });
}

}  // namespace tandem
