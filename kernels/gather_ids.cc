#include "kernels/gather_ids.h"

#include <algorithm>

#include "kernels/core/shape_check.h"
#include "kernels/device_ops.h"

namespace tandem {

void GatherIds(Context& context, const GatherIdsArgs& args) {
  Dim rows{"rows"}, tokens{"tokens"};
  ShapeCheck check("GatherIds");
  check.Match("drawn", args.drawn, {rows}).Type("drawn", args.drawn, {DType::kI32});
  check.Match("sources", args.sources, {tokens}).Type("sources", args.sources, {DType::kI32});
  check.Match("ids", args.ids, {tokens}).Type("ids", args.ids, {DType::kI32});
  if (RunOnDevice(context, &DeviceOps::gather_ids, "GatherIds", args)) return;
  const int32_t* drawn = args.drawn.data<int32_t>();
  const int32_t* sources = args.sources.data<int32_t>();
  int32_t* ids = args.ids.data<int32_t>();
  for (int64_t t = 0; t < tokens; ++t) {
    if (sources[t] < 0) continue;
    CHECK(sources[t] < rows, t, sources[t], rows.value());
    ids[t] = std::max(drawn[sources[t]], 0);
  }
}

}  // namespace tandem
