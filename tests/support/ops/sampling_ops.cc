#include "tests/support/ops/sampling_ops.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"
#include "tests/support/ops/sampling_reference.h"

namespace tandem {
namespace {

std::span<const float> RowOf(ConstTensorView logits, int64_t row) {
  return {logits.data<float>() + row * logits.dim(1), static_cast<size_t>(logits.dim(1))};
}

}  // namespace

double LogSumExp(std::span<const float> logits, double temperature) {
  const auto max =
      static_cast<double>(*std::max_element(logits.begin(), logits.end())) / temperature;
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) / temperature - max);
  return max + std::log(sum);
}

LogSoftmaxOp::LogSoftmaxOp(Context& context, const LogitsShape& given, float divisor)
    : OpRun(context), shape(given), temperature(divisor) {
  logits = tensors_.Input(NormalTensor({shape.rows, shape.vocab}, 51, 3.0f));
  statistics = tensors_.Output(DType::kF32, {shape.rows, 2});
}

void LogSoftmaxOp::Run(Context& context) {
  LogSoftmaxStatistics(context,
                       {.logits = logits, .temperature = temperature, .statistics = statistics});
}

std::vector<std::vector<double>> LogSoftmaxOp::Reference() const {
  std::vector<double> want;
  for (int64_t row = 0; row < shape.rows; ++row) {
    const std::span<const float> values = RowOf(logits, row);
    const float max = *std::max_element(values.begin(), values.end()) / temperature;
    want.push_back(static_cast<double>(max));
    want.push_back(LogSumExp(values, static_cast<double>(temperature)) - static_cast<double>(max));
  }
  return {want};
}

SampleOp::SampleOp(Context& context, const LogitsShape& given, const SampleRow& settings)
    : OpRun(context), shape(given) {
  logits = tensors_.Input(NormalTensor({shape.rows, shape.vocab}, 56, 2.5f));
  ids = tensors_.Output(DType::kI32, {shape.rows});
  for (int64_t row = 0; row < shape.rows; ++row) {
    SampleRow& one = rows.emplace_back(settings);
    one.key = {.seed = 57, .position = static_cast<uint64_t>(row)};
  }
}

void SampleOp::Run(Context& context) {
  Sample(context, {.logits = logits, .rows = rows, .ids = ids});
}

std::vector<std::vector<double>> SampleOp::Reference() const {
  std::vector<double> want;
  for (int64_t row = 0; row < shape.rows; ++row) {
    const ReferenceDraw draw =
        ReferenceSampler(RowOf(logits, row), rows[static_cast<size_t>(row)]).Draw();
    want.push_back(draw.certain ? draw.id : std::numeric_limits<double>::quiet_NaN());
  }
  return {want};
}

namespace {

class TopIdsOp : public OpRun {
 public:
  TopIdsOp(Context& context, const LogitsShape& shape, int64_t count) : OpRun(context) {
    logits_ = tensors_.Input(NormalTensor({shape.rows, shape.vocab}, 58, 2.0f));
    ids_ = tensors_.Output(DType::kI32, {shape.rows, count});
  }
  void Run(Context& context) override { TopIds(context, {.logits = logits_, .ids = ids_}); }
  std::vector<std::vector<double>> Reference() const override {
    std::vector<double> want;
    for (int64_t row = 0; row < logits_.dim(0); ++row) {
      const std::span<const float> logits = RowOf(logits_, row);
      std::vector<size_t> order(logits.size());
      std::iota(order.begin(), order.end(), size_t{0});
      std::stable_sort(order.begin(), order.end(),
                       [&](size_t a, size_t b) { return logits[a] > logits[b]; });
      want.insert(want.end(), order.begin(), order.begin() + ids_.dim(1));
    }
    return {want};
  }

 private:
  ConstTensorView logits_;
  TensorView ids_;
};

class PickLogProbsOp : public OpRun {
 public:
  PickLogProbsOp(Context& context, const LogitsShape& shape, int64_t count) : OpRun(context) {
    const Tensor logits = NormalTensor({shape.rows, shape.vocab}, 59, 2.0f);
    Tensor statistics(DType::kF32, {shape.rows, 2});
    HostSide host(context);
    LogSoftmaxStatistics(host, {.logits = logits, .statistics = statistics});
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < shape.rows * count; ++i) {
      ids.push_back(static_cast<int32_t>(i * 37 % shape.vocab));
    }
    logits_ = tensors_.Input(logits);
    statistics_ = tensors_.Input(statistics);
    ids_ = tensors_.Input(Integers(ids, {shape.rows, count}));
    log_probs_ = tensors_.Output(DType::kF32, {shape.rows, count});
  }
  void Run(Context& context) override {
    PickLogProbs(
        context,
        {.logits = logits_, .statistics = statistics_, .ids = ids_, .log_probs = log_probs_});
  }
  std::vector<std::vector<double>> Reference() const override {
    std::vector<double> want;
    const int64_t count = ids_.dim(1);
    for (int64_t i = 0; i < ids_.num_elements(); ++i) {
      const std::span<const float> logits = RowOf(logits_, i / count);
      const auto id = static_cast<size_t>(ids_.data<int32_t>()[i]);
      want.push_back(static_cast<double>(logits[id]) - LogSumExp(logits, 1.0));
    }
    return {want};
  }

 private:
  ConstTensorView logits_, statistics_, ids_;
  TensorView log_probs_;
};

OpCase LogSoftmaxCase(OpUse use, const LogitsShape& s, float temperature) {
  const int64_t count = s.rows * s.vocab;
  return {.op = "log_softmax",
          .shape = Times({s.rows, s.vocab}),
          .dtype = temperature == 1.0f ? "f32" : "f32 T",
          .use = use,
          .bytes = 4 * count,
          .flops = count * (kExpFlops + 3),
          .prepare = [=](Context& context) {
            return std::make_unique<LogSoftmaxOp>(context, s, temperature);
          }};
}

struct Drawing {
  const char* name;
  SampleRow row;
};

const std::vector<Drawing>& Drawings() {
  static const std::vector<Drawing> drawings = {
      {"greedy", {.temperature = 0.0f}},
      {"T 0.8", {.temperature = 0.8f}},
      {"top-k 50 top-p 0.9", {.temperature = 0.8f, .top_k = 50, .top_p = 0.9f}},
      {"top-p 0.9 min-p", {.top_p = 0.9f, .min_p = 0.05f}},
  };
  return drawings;
}

OpCase SampleCase(OpUse use, const LogitsShape& s, const Drawing& drawing) {
  const int64_t count = s.rows * s.vocab;
  const bool is_greedy = drawing.row.temperature == 0;
  return {.op = "sample",
          .shape = Times({s.rows, s.vocab}),
          .dtype = drawing.name,
          .use = use,
          .bytes = 4 * count,
          .flops = count * (is_greedy ? 1 : kExpFlops + 5),
          .prepare = [s, row = drawing.row](Context& context) {
            return std::make_unique<SampleOp>(context, s, row);
          }};
}

// `count` ids of each row.
template <typename Op>
OpCase IdsCase(const char* name, OpUse use, const LogitsShape& s, int64_t count, int64_t bytes) {
  return {.op = name,
          .shape = Times({s.rows, count}) + " of " + std::to_string(s.vocab),
          .dtype = "f32",
          .use = use,
          .bytes = bytes,
          .flops = s.rows * s.vocab,
          .prepare = [=](Context& context) { return std::make_unique<Op>(context, s, count); }};
}

OpCase TopIdsCase(OpUse use, const LogitsShape& s, int64_t count) {
  return IdsCase<TopIdsOp>("top_ids", use, s, count, 4 * s.rows * (s.vocab + count));
}

OpCase PickCase(OpUse use, const LogitsShape& s, int64_t count) {
  return IdsCase<PickLogProbsOp>("pick_log_probs", use, s, count, 12 * s.rows * count);
}

void AddSamplingDeviceCases(OpUse use, std::vector<OpCase>& cases) {
  const bool tiny = use == OpUse::kDeviceTiny;
  const LogitsShape small = tiny ? LogitsShape{4, 640} : LogitsShape{256, 6400};
  const LogitsShape large = tiny ? LogitsShape{2, 1500} : LogitsShape{64, 151936};
  for (const Drawing& drawing : Drawings()) {
    cases.push_back(SampleCase(use, small, drawing));
    cases.back().device = {.rate = DeviceRate::kTime, .must = 10, .aim = 6};
    cases.push_back(SampleCase(use, large, drawing));
    cases.back().device = {.rate = DeviceRate::kTime, .must = 60, .aim = 45};
  }
  cases.push_back(LogSoftmaxCase(use, {tiny ? 8 : 16384, tiny ? 640 : 6400}, 1.0f));
  cases.back().device = {.must = 0.85, .aim = 0.92};
}

}  // namespace

void AddSamplingCases(std::vector<OpCase>& cases) {
  AddSamplingDeviceCases(OpUse::kDeviceBench, cases);
  AddSamplingDeviceCases(OpUse::kDeviceTiny, cases);
  for (const int64_t vocab : {1, 2, 15, 16, 17, 1000, 6400}) {
    for (const float temperature : {1.0f, 0.7f}) {
      cases.push_back(LogSoftmaxCase(OpUse::kTest, {3, vocab}, temperature));
    }
    for (const Drawing& drawing : Drawings()) {
      cases.push_back(SampleCase(OpUse::kTest, {5, vocab}, drawing));
    }
    for (const int64_t rows : {1, 3}) {
      cases.push_back(TopIdsCase(OpUse::kTest, {rows, vocab}, std::min<int64_t>(vocab, 20)));
      cases.push_back(PickCase(OpUse::kTest, {rows, vocab}, 5));
    }
  }
  cases.push_back(TopIdsCase(OpUse::kTest, {2, 40}, 40));
  cases.push_back(TopIdsCase(OpUse::kTest, {0, 40}, 4));
  cases.push_back(PickCase(OpUse::kTest, {3, 40}, 0));
  cases.push_back(LogSoftmaxCase(OpUse::kTest, {0, 7}, 1.0f));
  cases.push_back(LogSoftmaxCase(OpUse::kTest, {40, 3001}, 1.0f));
  cases.push_back(SampleCase(OpUse::kTest, {40, 3001}, Drawings()[1]));

  for (const int64_t vocab : {6400, 151936}) {
    for (const int64_t rows : {1, 16}) {
      cases.push_back(LogSoftmaxCase(OpUse::kBench, {rows, vocab}, 1.0f));
      for (const Drawing& drawing : Drawings()) {
        cases.push_back(SampleCase(OpUse::kBench, {rows, vocab}, drawing));
      }
    }
    cases.push_back(TopIdsCase(OpUse::kBench, {1, vocab}, 20));
    cases.push_back(PickCase(OpUse::kBench, {16, vocab}, 20));
  }
}

}  // namespace tandem
