#pragma once
// Muon (Jordan et al., 2024) for one matrix: momentum whose singular values are all made about 1.
// Pure functions over their operands. Products are Matmul's in f32, so a step has the same bits on
// any number of threads.

#include <cstdint>

#include "engine/model/model_tensors.h"
#include "kernels/core/context.h"

namespace tandem {

// With g = gradient * scale:
//   m += (1 - momentum) (g - m);  u = Orthogonalise(g + momentum (m - g))        (Nesterov)
//   w -= rate decay w;  w -= rate 0.2 sqrt(max(rows, columns)) u
// The factor (Liu et al., "Muon is scalable", 2025) gives an update the size of AdamW's, so that
// its rate and decay carry over.
struct MuonArgs {
  TensorView weights;        // [rows, columns], f32: the master copy
  ConstTensorView gradient;  // the same, f32
  TensorView m;              // the same, f32: the momentum
  float scale = 1.0f;        // of the gradient: clipping
  double rate = 0.0;
  double momentum = 0.95;
  double decay = 0.0;
};

void Muon(Context& context, const MuonArgs& args);

// x = x / |x| (Frobenius), then five times x = a x + (b s + c s^2) x with s = x x^T (x^T x where
// there are more rows than columns): singular values go to between 0.7 and 1.2. x is f32; of zeros
// nothing becomes anything.
void Orthogonalise(Context& context, TensorView x);

// Scratch of the largest matrix [rows, columns].
int64_t MuonScratchBytes(int64_t rows, int64_t columns);

// What a matrix is made of, each part for itself: rows of one matrix after those of another.
enum class FusedParts : uint8_t {
  kOne,
  kGateUp,  // two halves
  kQkv,     // q has as many rows as the output projection has columns; k and v share the rest
};

// The matrices that Muon trains, of a ModelTensors: those of attention, of the feed-forward blocks
// and of the experts. Not the embedding, the head and the routers. `visit` gets the matrix, its
// parts, and the attention's output projection (of kQkv).
template <typename Tensors, typename Visit>
void ForEachHiddenMatrix(Tensors& tensors, Visit visit) {
  for (auto& layer : tensors.layers) {
    visit(layer.attention.qkv, FusedParts::kQkv, layer.attention.output);
    visit(layer.attention.output, FusedParts::kOne, layer.attention.output);
    const auto feed_forward = [&](auto& gate_up, auto& down) {
      visit(gate_up, FusedParts::kGateUp, layer.attention.output);
      visit(down, FusedParts::kOne, layer.attention.output);
    };
    if (layer.dense) feed_forward(layer.dense->gate_up, layer.dense->down);
    if (!layer.moe) continue;
    for (size_t i = 0; i < layer.moe->gate_up.size(); ++i) {
      feed_forward(layer.moe->gate_up[i], layer.moe->down[i]);
    }
    for (auto& shared : layer.moe->shared) feed_forward(shared.gate_up, shared.down);
  }
}

}  // namespace tandem
