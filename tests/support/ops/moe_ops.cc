#include "tests/support/ops/moe_ops.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "tests/support/ops/numeric_gradient.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {

MoeCombineOp::MoeCombineOp(Context& context, const CombineShape& given)
    : OpRun(context), shape(given) {
  const int64_t num_rows = shape.tokens * shape.top_k;
  std::vector<int32_t> order(static_cast<size_t>(num_rows));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(35));
  y_rows = tensors_.Input(NormalTensor({num_rows, shape.width}, 31));
  row_of = tensors_.Input(Integers(order, {shape.tokens, shape.top_k}));
  weights = tensors_.Input(NormalTensor({shape.tokens, shape.top_k}, 32));
  if (shape.shared) shared = tensors_.Input(NormalTensor({shape.tokens, shape.width}, 33));
  y = tensors_.InOut(NormalTensor({shape.tokens, shape.width}, 34));
}

void MoeCombineOp::Run(Context& context) {
  MoeCombine(context,
             {.y_rows = y_rows, .row_of = row_of, .weights = weights, .shared = shared, .y = y});
}

// In float and in the very order of the contract: the op has these bits.
std::vector<std::vector<double>> MoeCombineOp::Reference() const {
  std::vector<double> want;
  for (int64_t i = 0; i < shape.tokens * shape.width; ++i) {
    const int64_t token = i / shape.width, column = i % shape.width;
    float sum = 0.0f;
    for (int64_t k = 0; k < shape.top_k; ++k) {
      const int64_t choice = token * shape.top_k + k;
      const int64_t row = row_of.data<int32_t>()[choice];
      const float term =
          weights.data<float>()[choice] * y_rows.data<float>()[row * shape.width + column];
      sum = k == 0 ? term : sum + term;
    }
    if (shape.shared) sum = sum + shared.data<float>()[i];
    want.push_back(static_cast<double>(y.data<float>()[i] + sum));
  }
  return {want};
}

namespace {

class MoeRouteOp : public OpRun {
 public:
  MoeRouteOp(Context& context, const RouteShape& shape) : OpRun(context), shape_(shape) {
    logits_ = tensors_.Input(NormalTensor({shape.tokens, shape.num_experts}, 21, 2.0f));
    experts_ = tensors_.Output(DType::kI32, {shape.tokens, shape.top_k});
    weights_ = tensors_.Output(DType::kF32, {shape.tokens, shape.top_k});
  }

  void Run(Context& context) override {
    MoeRoute(context, {.logits = logits_,
                       .score = shape_.score,
                       .renormalise = shape_.renormalise,
                       .experts = experts_,
                       .weights = weights_});
  }

  std::vector<std::vector<double>> Reference() const override {
    const std::vector<double> logits = ToDoubles(logits_);
    std::vector<double> experts, weights;
    for (int64_t token = 0; token < shape_.tokens; ++token) {
      const std::vector<double> scores = ScoresOf(logits.data() + token * shape_.num_experts);
      std::vector<size_t> order(scores.size());
      std::iota(order.begin(), order.end(), size_t{0});
      std::stable_sort(order.begin(), order.end(),
                       [&](size_t a, size_t b) { return scores[a] > scores[b]; });
      order.resize(static_cast<size_t>(shape_.top_k));
      double sum = 1e-20;
      for (const size_t expert : order) sum += scores[expert];
      for (const size_t expert : order) {
        experts.push_back(static_cast<double>(expert));
        weights.push_back(shape_.renormalise ? scores[expert] / sum : scores[expert]);
      }
    }
    return {experts, weights};
  }

 private:
  std::vector<double> ScoresOf(const double* logits) const {
    std::vector<double> scores(logits, logits + shape_.num_experts);
    const double max = *std::max_element(scores.begin(), scores.end());
    const bool is_sigmoid = shape_.score == MoeScore::kSigmoid;
    double sum = 0.0;
    for (double& score : scores) {
      score = is_sigmoid ? 1 / (1 + std::exp(-score)) : std::exp(score - max);
      sum += score;
    }
    for (double& score : scores) score /= is_sigmoid ? 1.0 : sum;
    return scores;
  }

  RouteShape shape_;
  ConstTensorView logits_;
  TensorView experts_, weights_;
};

class MoePermuteOp : public OpRun {
 public:
  MoePermuteOp(Context& context, int64_t tokens, int64_t num_experts, int64_t top_k)
      : OpRun(context), num_experts_(num_experts) {
    std::mt19937 generator(23);
    std::vector<int32_t> experts;
    for (int64_t i = 0; i < tokens * top_k; ++i) {
      experts.push_back(static_cast<int32_t>(generator() % static_cast<uint64_t>(num_experts)));
    }
    experts_ = tensors_.Input(Integers(experts, {tokens, top_k}));
    offsets_ = tensors_.Output(DType::kI32, {num_experts + 1});
    row_of_ = tensors_.Output(DType::kI32, {tokens, top_k});
    token_of_ = tensors_.Output(DType::kI32, {tokens * top_k});
  }

  void Run(Context& context) override {
    MoePermute(context, {.experts = experts_,
                         .num_experts = num_experts_,
                         .offsets = offsets_,
                         .row_of = row_of_,
                         .token_of = token_of_});
  }

  std::vector<std::vector<double>> Reference() const override {
    const int32_t* experts = experts_.data<int32_t>();
    const int64_t count = experts_.num_elements();
    std::vector<int64_t> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return experts[a] < experts[b]; });
    std::vector<double> offsets, row_of(order.size()), token_of;
    for (int64_t expert = 0; expert <= num_experts_; ++expert) {
      offsets.push_back(static_cast<double>(
          std::count_if(experts, experts + count, [&](int32_t e) { return e < expert; })));
    }
    for (size_t row = 0; row < order.size(); ++row) {
      row_of[static_cast<size_t>(order[row])] = static_cast<double>(row);
      token_of.push_back(static_cast<double>(order[row] / experts_.dim(1)));
    }
    return {offsets, row_of, token_of};
  }

 private:
  int64_t num_experts_;
  ConstTensorView experts_;
  TensorView offsets_, row_of_, token_of_;
};

// Both, as a step does them. For timing.
class MoeRouteAndPermuteOp : public OpRun {
 public:
  MoeRouteAndPermuteOp(Context& context, const RouteShape& shape)
      : route_(context, shape), permute_(context, shape.tokens, shape.num_experts, shape.top_k) {}
  void Run(Context& context) override {
    route_.Run(context);
    permute_.Run(context);
  }
  std::vector<std::vector<double>> Reference() const override { return {}; }

 private:
  MoeRouteOp route_;
  MoePermuteOp permute_;
};

using Doubles = std::vector<double>;

class MoeRouteBackwardOp : public OpRun {
 public:
  MoeRouteBackwardOp(Context& context, const RouteShape& shape, bool balanced)
      : OpRun(context), shape_(shape) {
    const Tensor logits = NormalTensor({shape.tokens, shape.num_experts}, 41);
    logits_ = tensors_.Input(logits);
    HostSide host(context);
    Tensor experts(DType::kI32, {shape.tokens, shape.top_k});
    Tensor weights(DType::kF32, {shape.tokens, shape.top_k});
    MoeRoute(host, {.logits = logits,
                    .score = shape.score,
                    .renormalise = shape.renormalise,
                    .experts = experts,
                    .weights = weights});
    experts_ = tensors_.Input(experts);
    dweights_ = tensors_.Input(NormalTensor({shape.tokens, shape.top_k}, 42));
    if (balanced) dscores_ = tensors_.Input(NormalTensor({shape.tokens, shape.num_experts}, 43));
    dlogits_ = tensors_.Output(DType::kF32, {shape.tokens, shape.num_experts});
  }
  void Run(Context& context) override {
    MoeRouteBackward(context, {.logits = logits_,
                               .score = shape_.score,
                               .renormalise = shape_.renormalise,
                               .experts = experts_,
                               .dweights = dweights_,
                               .dscores = dscores_,
                               .dlogits = dlogits_});
  }
  std::vector<Doubles> Reference() const override {
    Doubles want;
    for (int64_t token = 0; token < shape_.tokens; ++token) {
      const Doubles row = NumericGradient(ToDoubles(logits_.Rows(token, 1)),
                                          [&](const Doubles& at) { return Loss(token, at); });
      want.insert(want.end(), row.begin(), row.end());
    }
    return {want};
  }

 private:
  double Loss(int64_t token, const Doubles& logits) const {
    Doubles scores;
    double total = 0;
    for (const double logit : logits) {
      scores.push_back(shape_.score == MoeScore::kSigmoid ? 1 / (1 + std::exp(-logit))
                                                          : std::exp(logit));
      total += scores.back();
    }
    if (shape_.score == MoeScore::kSoftmax) {
      for (double& score : scores) score /= total;
    }
    double chosen = 0, loss = 0;
    const auto expert = [&](int64_t choice) {
      return static_cast<size_t>(experts_.data<int32_t>()[token * shape_.top_k + choice]);
    };
    for (int64_t choice = 0; choice < shape_.top_k; ++choice) chosen += scores[expert(choice)];
    for (int64_t choice = 0; choice < shape_.top_k; ++choice) {
      const double weight = scores[expert(choice)] / (shape_.renormalise ? chosen : 1.0);
      loss += weight * ElementAsDouble(dweights_, token * shape_.top_k + choice);
    }
    for (size_t i = 0; !dscores_.empty() && i < scores.size(); ++i) {
      loss += scores[i] *
              ElementAsDouble(dscores_, token * shape_.num_experts + static_cast<int64_t>(i));
    }
    return loss;
  }

  RouteShape shape_;
  ConstTensorView logits_, experts_, dweights_, dscores_;
  TensorView dlogits_;
};

class MoeCombineBackwardOp : public OpRun {
 public:
  MoeCombineBackwardOp(Context& context, const CombineShape& shape, DType to)
      : OpRun(context), forward_(context, shape) {
    dy_ = tensors_.Input(NormalTensor({shape.tokens, shape.width}, 45));
    dy_rows_ = tensors_.Output(to, {shape.tokens * shape.top_k, shape.width});
    dweights_ = tensors_.Output(DType::kF32, {shape.tokens, shape.top_k});
  }
  void Run(Context& context) override {
    MoeCombineBackward(context, {.dy = dy_,
                                 .y_rows = forward_.y_rows,
                                 .row_of = forward_.row_of,
                                 .weights = forward_.weights,
                                 .dy_rows = dy_rows_,
                                 .dweights = dweights_});
  }
  std::vector<Doubles> Reference() const override {
    const int64_t width = dy_.dim(1);
    Doubles rows(static_cast<size_t>(dy_rows_.num_elements())), weights;
    for (int64_t choice = 0; choice < forward_.row_of.num_elements(); ++choice) {
      const int64_t row = forward_.row_of.data<int32_t>()[choice];
      double sum = 0;
      for (int64_t i = 0; i < width; ++i) {
        const double dy = ElementAsDouble(dy_, choice / forward_.shape.top_k * width + i);
        sum += dy * ElementAsDouble(forward_.y_rows, row * width + i);
        rows[static_cast<size_t>(row * width + i)] = dy * ElementAsDouble(forward_.weights, choice);
      }
      weights.push_back(sum);
    }
    return {rows, weights};
  }

 private:
  MoeCombineOp forward_;
  ConstTensorView dy_;
  TensorView dy_rows_, dweights_;
};

OpCase RouteBackwardCase(OpUse use, const RouteShape& s, bool balanced) {
  return {.op = "moe_route_backward",
          .shape = Times({s.tokens, s.num_experts}) + " top " + std::to_string(s.top_k) +
                   (s.score == MoeScore::kSigmoid ? " sigmoid" : "") +
                   (s.renormalise ? "" : " as scored") + (balanced ? " balanced" : ""),
          .dtype = "f32",
          .use = use,
          .bytes = s.tokens * (s.num_experts * (balanced ? 12 : 8) + s.top_k * 8),
          .flops = s.tokens * s.num_experts * (kExpFlops + 6),
          .prepare = [=](Context& context) {
            return std::make_unique<MoeRouteBackwardOp>(context, s, balanced);
          }};
}

OpCase CombineBackwardCase(OpUse use, const CombineShape& s, DType to) {
  const int64_t rows = s.tokens * s.top_k;
  return {.op = "moe_combine_backward",
          .shape = Times({s.tokens, s.top_k, s.width}),
          .dtype = std::string(Name(to)),
          .use = use,
          .bytes = s.tokens * s.width * 4 + rows * (s.width * (4 + SizeOf(to)) + 12),
          .flops = 3 * rows * s.width,
          .prepare = [=](Context& context) {
            return std::make_unique<MoeCombineBackwardOp>(context, s, to);
          }};
}

void AddMoeBackwardCases(std::vector<OpCase>& cases) {
  for (const MoeScore score : {MoeScore::kSoftmax, MoeScore::kSigmoid}) {
    for (const bool renormalise : {false, true}) {
      for (const bool balanced : {false, true}) {
        for (const int64_t tokens : {0, 1, 37}) {
          cases.push_back(
              RouteBackwardCase(OpUse::kTest, {tokens, 5, 2, score, renormalise}, balanced));
          cases.push_back(
              RouteBackwardCase(OpUse::kTest, {tokens, 33, 8, score, renormalise}, balanced));
        }
      }
    }
  }
  for (const DType to : {DType::kF32, DType::kBf16}) {
    for (const int64_t tokens : {0, 1, 37}) {
      cases.push_back(CombineBackwardCase(OpUse::kTest, {tokens, 2, 37}, to));
      cases.push_back(CombineBackwardCase(OpUse::kTest, {tokens, 3, 172}, to));
    }
  }
  cases.push_back(RouteBackwardCase(OpUse::kBench, {4096, 4, 2}, true));
  cases.push_back(CombineBackwardCase(OpUse::kBench, {4096, 2, 640}, DType::kBf16));
}

OpCase RouteCase(OpUse use, const RouteShape& s) {
  return {.op = "moe_route",
          .shape = Times({s.tokens, s.num_experts}) + " top " + std::to_string(s.top_k),
          .dtype = std::string(s.score == MoeScore::kSigmoid ? "sigmoid" : "softmax") +
                   (s.renormalise ? "" : " raw"),
          .use = use,
          .bytes = s.tokens * (4 * s.num_experts + 8 * s.top_k),
          .flops = s.tokens * s.num_experts * (kExpFlops + 4),
          .prepare = [s](Context& context) { return std::make_unique<MoeRouteOp>(context, s); }};
}

OpCase PermuteCase(OpUse use, int64_t tokens, int64_t num_experts, int64_t top_k) {
  return {.op = "moe_permute",
          .shape = Times({tokens, top_k}) + " of " + std::to_string(num_experts),
          .dtype = "i32",
          .use = use,
          .bytes = 16 * tokens * top_k + 8 * num_experts,
          .prepare = [=](Context& context) {
            return std::make_unique<MoePermuteOp>(context, tokens, num_experts, top_k);
          }};
}

OpCase CombineCase(OpUse use, const CombineShape& s) {
  const int64_t count = s.tokens * s.width;
  return {.op = "moe_combine",
          .shape = Times({s.tokens, s.top_k, s.width}) + (s.shared ? " shared" : ""),
          .dtype = "f32",
          .use = use,
          .bytes = 4 * count * (s.top_k + 2 + (s.shared ? 1 : 0)) + 8 * s.tokens * s.top_k,
          .in_place_bytes = 4 * count,
          .flops = 2 * count * (s.top_k + 1),
          .tolerance = DType::kI32,
          .prepare = [s](Context& context) { return std::make_unique<MoeCombineOp>(context, s); }};
}

void AddMoeDeviceCases(OpUse use, std::vector<OpCase>& cases) {
  const RouteShape shape{use == OpUse::kDeviceTiny ? 16 : 256, 4, 2};
  OpCase c = RouteCase(use, shape);
  c.op = "moe_route+permute";
  c.device = {.rate = DeviceRate::kTime, .must = 8, .aim = 4};
  c.prepare = [shape](Context& context) {
    return std::make_unique<MoeRouteAndPermuteOp>(context, shape);
  };
  cases.push_back(std::move(c));
}

}  // namespace

void AddMoeCases(std::vector<OpCase>& cases) {
  AddMoeDeviceCases(OpUse::kDeviceBench, cases);
  AddMoeDeviceCases(OpUse::kDeviceTiny, cases);
  AddMoeBackwardCases(cases);
  for (const MoeScore score : {MoeScore::kSoftmax, MoeScore::kSigmoid}) {
    for (const bool renormalise : {true, false}) {
      for (RouteShape s : {RouteShape{0, 4, 1}, RouteShape{1, 1, 1}, RouteShape{13, 4, 1},
                           RouteShape{13, 4, 4}, RouteShape{7, 17, 3}, RouteShape{5, 128, 8},
                           RouteShape{2, 1000, 31}, RouteShape{700, 17, 4}}) {
        s.score = score;
        s.renormalise = renormalise;
        cases.push_back(RouteCase(OpUse::kTest, s));
      }
    }
  }
  for (const int64_t tokens : {0, 1, 5, 101}) {
    for (const int64_t num_experts : {1, 4, 60}) {
      cases.push_back(
          PermuteCase(OpUse::kTest, tokens, num_experts, std::min<int64_t>(num_experts, 3)));
    }
  }
  for (const CombineShape& s : {CombineShape{0, 2, 8, true}, CombineShape{1, 1, 1},
                                CombineShape{9, 3, 37, true}, CombineShape{120, 2, 172}}) {
    cases.push_back(CombineCase(OpUse::kTest, s));
  }
  for (const int64_t tokens : {1, 16, 512}) {
    cases.push_back(RouteCase(OpUse::kBench, {tokens, 4, 2}));
    cases.push_back(CombineCase(OpUse::kBench, {tokens, 2, 512, true}));
  }
  cases.push_back(PermuteCase(OpUse::kBench, 512, 4, 2));
}

}  // namespace tandem
