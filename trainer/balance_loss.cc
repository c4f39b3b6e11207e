#include "trainer/balance_loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace tandem {
namespace {

// Scores of one token, added to `sums`.
void AddScores(const MoeConfig& moe, const float* logits, std::vector<double>& scores,
               std::vector<double>& sums) {
  const auto count = static_cast<size_t>(moe.num_experts);
  double total = 0;
  const double top = static_cast<double>(*std::max_element(logits, logits + count));
  for (size_t e = 0; e < count; ++e) {
    const auto logit = static_cast<double>(logits[e]);
    scores[e] =
        moe.score == MoeScore::kSigmoid ? 1.0 / (1.0 + std::exp(-logit)) : std::exp(logit - top);
    total += scores[e];
  }
  if (moe.score == MoeScore::kSigmoid) total = 1.0;
  for (size_t e = 0; e < count; ++e) sums[e] += scores[e] / total;
}

// Tokens [begin, end) as one group of `num_groups`.
double GroupLoss(const BalanceLossArgs& args, int64_t begin, int64_t end, int64_t num_groups) {
  const int64_t num_experts = args.moe.num_experts, top_k = args.moe.top_k;
  const auto num_tokens = static_cast<double>(end - begin);
  std::vector<double> scores(static_cast<size_t>(num_experts)), sums(scores.size()),
      loads(scores.size());
  for (int64_t t = begin; t < end; ++t) {
    AddScores(args.moe, args.logits.data<float>() + t * num_experts, scores, sums);
    for (int64_t k = 0; k < top_k; ++k) {
      const int32_t expert = args.experts.data<int32_t>()[t * top_k + k];
      loads[static_cast<size_t>(expert)] +=
          static_cast<double>(num_experts) / (num_tokens * static_cast<double>(top_k));
    }
  }
  double loss = 0;
  for (size_t e = 0; e < loads.size(); ++e) {
    // Of one token's score.
    const double share =
        args.moe.aux_loss_coef * loads[e] / (num_tokens * static_cast<double>(num_groups));
    loss += share * sums[e];
    for (int64_t t = begin; t < end; ++t) {
      args.dscores.data<float>()[t * num_experts + static_cast<int64_t>(e)] =
          static_cast<float>(share) * args.scale;
    }
  }
  return loss;
}

}  // namespace

double BalanceLoss(const BalanceLossArgs& args) {
  const int64_t num_tokens = args.logits.dim(0);
  if (num_tokens == 0) return 0;
  if (!args.moe.aux_loss_per_sequence) return GroupLoss(args, 0, num_tokens, 1);
  double loss = 0;
  const auto num_sequences = static_cast<int64_t>(args.cu_seqlens.size()) - 1;
  for (size_t s = 0; s + 1 < args.cu_seqlens.size(); ++s) {
    if (args.cu_seqlens[s] == args.cu_seqlens[s + 1]) continue;
    loss += GroupLoss(args, args.cu_seqlens[s], args.cu_seqlens[s + 1], num_sequences);
  }
  return loss;
}

}  // namespace tandem
