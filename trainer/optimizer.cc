#include "trainer/optimizer.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/optimizer.h"
#include "trainer/muon.h"
#include "trainer/training_weights.h"

namespace tandem {
namespace {

// Matrices in rows have two dimensions. The embedding comes first in ForEachTensor's order.
bool Decays(const Tensor& tensor, size_t index, DecayGroup group) {
  return group == DecayGroup::kAll || (tensor.shape().rank() == 2 && index > 0);
}

std::vector<int64_t> RowsOfParts(const Tensor& matrix, FusedParts parts, const Tensor& output) {
  const int64_t rows = matrix.shape()[0];
  switch (parts) {
    case FusedParts::kOne:
      return {rows};
    case FusedParts::kGateUp:
      return {rows / 2, rows / 2};
    case FusedParts::kQkv: {
      const int64_t q = output.shape()[1], kv = (rows - q) / 2;
      return {q, kv, kv};
    }
  }
  return {};
}

}  // namespace

double GradientNorm(Context& context, const ModelTensors<Tensor>& gradients) {
  double sum = 0;
  for (const Tensor* gradient : AllTensors(gradients)) sum += SumOfSquares(context, *gradient);
  return std::sqrt(sum);
}

Optimizer::Optimizer(const ModelTensors<Tensor>& masters, const OptimizerOptions& options)
    : options_(options), m_(ZeroTensors(masters)), v_(ZeroTensors(masters)) {
  std::map<const Tensor*, std::vector<int64_t>> rows;
  if (options.kind == OptimizerKind::kMuon) {
    ForEachHiddenMatrix(masters, [&](const Tensor& matrix, FusedParts parts, const Tensor& output) {
      rows[&matrix] = RowsOfParts(matrix, parts, output);
    });
    ForEachHiddenMatrix(v_, [](Tensor& matrix, FusedParts, const Tensor&) { matrix = Tensor(); });
  }
  for (const Tensor* tensor : AllTensors(masters)) muon_rows_.push_back(rows[tensor]);
}

void Optimizer::Step(Context& context, ModelTensors<Tensor>& masters,
                     const ModelTensors<Tensor>& gradients, double norm, double rate) {
  CHECK(std::isfinite(norm), norm);
  ++num_steps_;
  // As torch.nn.utils.clip_grad_norm_.
  const auto clip = static_cast<float>(
      options_.max_norm > 0 ? std::min(options_.max_norm / (norm + 1e-6), 1.0) : 1.0);
  const std::vector<Tensor*> weights = AllTensors(masters), m = AllTensors(m_), v = AllTensors(v_);
  const std::vector<const Tensor*> g = AllTensors(gradients);
  CHECK(g.size() == weights.size() && m.size() == weights.size(), g.size(), weights.size());
  CHECK(muon_rows_.size() == weights.size(), muon_rows_.size(), weights.size());
  size_t next_v = 0;  // Muon's matrices have none
  for (size_t i = 0; i < weights.size(); ++i) {
    const double decay = Decays(*weights[i], i, options_.decay_group) ? options_.decay : 0.0;
    if (!muon_rows_[i].empty()) {
      StepMuon(context, {*weights[i], *g[i], *m[i], decay}, muon_rows_[i], clip, rate);
      continue;
    }
    AdamW(context, {.weights = *weights[i],
                    .gradient = *g[i],
                    .m = *m[i],
                    .v = *v[next_v++],
                    .scale = clip,
                    .rate = rate,
                    .beta1 = options_.beta1,
                    .beta2 = options_.beta2,
                    .eps = options_.eps,
                    .decay = decay,
                    .step = num_steps_});
  }
}

void Optimizer::StepMuon(Context& context, const Slot& slot, const std::vector<int64_t>& rows,
                         float scale, double rate) const {
  int64_t first = 0;
  for (const int64_t count : rows) {
    Muon(context, {.weights = slot.weights.view().Rows(first, count),
                   .gradient = slot.gradient.view().Rows(first, count),
                   .m = slot.m.view().Rows(first, count),
                   .scale = scale,
                   .rate = rate,
                   .momentum = options_.momentum,
                   .decay = slot.decay});
    first += count;
  }
}

}  // namespace tandem
