#include "kernels/rope.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/device_memory.h"
#include "kernels/core/shape_check.h"
#include "kernels/cpu/rope_rows.h"
#include "kernels/cpu/rows_of.h"
#include "kernels/device_ops.h"

namespace tandem {

RopeTable::RopeTable(const RopeConfig& config, Device device)
    : config_(config),
      frequencies_(RopeFrequencies(config)),
      amplitude_(RopeAmplitude(config)),
      values_(kCpuDevice,
              config.max_positions * config.head_dim * static_cast<int64_t>(sizeof(float))) {
  if (device != kCpuDevice) copy_ = Buffer(device, values_.size_bytes());
}

void RopeTable::Reserve(int64_t count) {
  CHECK(copy_.empty(), "a device's table is filled in the order of its work");
  Fill(count);
}

void RopeTable::Reserve(Context& context, int64_t count) {
  const int64_t first = num_ready_;
  Fill(count);
  if (copy_.empty()) return;
  const ConstTensorView all(values_.data(), DType::kF32, {num_ready_, config_.head_dim});
  const TensorView copies(copy_.data(), DType::kF32, all.shape(), copy_.device());
  Copy(context, all.Rows(first, num_ready_ - first), copies.Rows(first, num_ready_ - first));
}

void RopeTable::Fill(int64_t count) {
  CHECK(count >= 0 && count <= config_.max_positions, count, config_.max_positions);
  if (count <= num_ready_) return;
  // Whole pieces, so that a growing sequence does not come here in every step.
  constexpr int64_t kPiece = 64;
  const int64_t target = std::min((count + kPiece - 1) / kPiece * kPiece, config_.max_positions);
  const int64_t half = config_.head_dim / 2;
  float* row = reinterpret_cast<float*>(values_.data()) + num_ready_ * config_.head_dim;
  for (; num_ready_ < target; ++num_ready_, row += config_.head_dim) {
    for (int64_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(num_ready_) * frequencies_[static_cast<size_t>(i)];
      row[i] = static_cast<float>(std::cos(static_cast<double>(angle))) * amplitude_;
      row[i + half] = static_cast<float>(std::sin(static_cast<double>(angle))) * amplitude_;
    }
  }
}

ConstTensorView RopeTable::rows() const {
  const Buffer& rows = copy_.empty() ? values_ : copy_;
  return {rows.data(), DType::kF32, {num_ready_, config_.head_dim}, rows.device()};
}

void Rope(Context& context, const RopeArgs& args) {
  ShapeCheck check("Rope");
  Dim tokens{"tokens"}, heads{"heads"}, head_dim{"head_dim", args.table.config().head_dim};
  check.Match("positions", args.positions, {tokens});
  check.Match("x", args.x, {tokens, heads, head_dim});
  if (RunOnDevice(context, &DeviceOps::rope, "Rope", args)) return;
  const cpu::RopeRows work{
      .positions = args.positions.data<int32_t>(),
      .table = args.table.rows().data<float>(),
      .x = args.x.data<float>(),
      .heads = heads,
      .head_dim = head_dim,
      .backward = args.direction == RopeDirection::kBackward,
  };
  for (int64_t token = 0; token < tokens; ++token) {
    const int32_t position = work.positions[token];
    CHECK(position >= 0 && position < args.table.num_ready(), token, position,
          args.table.num_ready());
  }
  cpu::RopeFunction* run =
      cpu::RowsOf(context.isa, cpu::portable::Rope, cpu::avx2::Rope, cpu::avx512::Rope);
  context.pool.ForRanges(tokens, cpu::GrainRows(heads * head_dim),
                         [&](int64_t begin, int64_t end) { run(work, begin, end); });
}

}  // namespace tandem
