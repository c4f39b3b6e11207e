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

LogSoftmaxOp::LogSoftmaxOp(const LogitsShape& given, float divisor)
    : shape(given), temperature(divisor), rows_(static_cast<size_t>(given.rows)) {
  logits = tensors_.Input(NormalTensor({shape.rows, shape.vocab}, 51, 3.0f));
  statistics = tensors_.Output(DType::kF32, {shape.rows, 2});
}

void LogSoftmaxOp::Run(Context& context) {
  LogSoftmaxStatistics(context, logits, temperature, rows_);
  for (size_t row = 0; row < rows_.size(); ++row) {
    statistics.data<float>()[2 * row] = rows_[row].max;
    statistics.data<float>()[2 * row + 1] = rows_[row].log_sum;
  }
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

SampleOp::SampleOp(const LogitsShape& given, const SampleRow& settings) : shape(given) {
  logits = tensors_.Input(NormalTensor({shape.rows, shape.vocab}, 56, 2.5f));
  ids = tensors_.Output(DType::kI32, {shape.rows});
  for (int64_t row = 0; row < shape.rows; ++row) {
    SampleRow& one = rows.emplace_back(settings);
    one.key = {.seed = 57, .position = static_cast<uint64_t>(row)};
  }
}

void SampleOp::Run(Context& context) {
  Sample(context, logits, rows, {ids.data<int32_t>(), static_cast<size_t>(shape.rows)});
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
  TopIdsOp(int64_t vocab, int64_t count) {
    logits_ = tensors_.Input(NormalTensor({1, vocab}, 58, 2.0f));
    ids_ = tensors_.Output(DType::kI32, {count});
  }
  void Run(Context&) override {
    TopIds(RowOf(logits_, 0), ids_.dim(0),
           {ids_.data<int32_t>(), static_cast<size_t>(ids_.dim(0))});
  }
  std::vector<std::vector<double>> Reference() const override {
    const std::span<const float> logits = RowOf(logits_, 0);
    std::vector<size_t> order(logits.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return logits[a] > logits[b]; });
    return {std::vector<double>(order.begin(), order.begin() + ids_.dim(0))};
  }

 private:
  ConstTensorView logits_;
  TensorView ids_;
};

OpCase LogSoftmaxCase(OpUse use, const LogitsShape& s, float temperature) {
  const int64_t count = s.rows * s.vocab;
  return {.op = "log_softmax",
          .shape = Times({s.rows, s.vocab}),
          .dtype = temperature == 1.0f ? "f32" : "f32 T",
          .use = use,
          .bytes = 4 * count,
          .flops = count * (kExpFlops + 3),
          .prepare = [=](Context&) { return std::make_unique<LogSoftmaxOp>(s, temperature); }};
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
  return {
      .op = "sample",
      .shape = Times({s.rows, s.vocab}),
      .dtype = drawing.name,
      .use = use,
      .bytes = 4 * count,
      .flops = count * (is_greedy ? 1 : kExpFlops + 5),
      .prepare = [s, row = drawing.row](Context&) { return std::make_unique<SampleOp>(s, row); }};
}

OpCase TopIdsCase(OpUse use, int64_t vocab, int64_t count) {
  return {.op = "top_ids",
          .shape = std::to_string(count) + " of " + std::to_string(vocab),
          .dtype = "f32",
          .use = use,
          .bytes = 4 * (vocab + count),
          .flops = vocab,
          .prepare = [=](Context&) { return std::make_unique<TopIdsOp>(vocab, count); }};
}

}  // namespace

void AddSamplingCases(std::vector<OpCase>& cases) {
  for (const int64_t vocab : {1, 2, 15, 16, 17, 1000, 6400}) {
    for (const float temperature : {1.0f, 0.7f}) {
      cases.push_back(LogSoftmaxCase(OpUse::kTest, {3, vocab}, temperature));
    }
    for (const Drawing& drawing : Drawings()) {
      cases.push_back(SampleCase(OpUse::kTest, {5, vocab}, drawing));
    }
    cases.push_back(TopIdsCase(OpUse::kTest, vocab, std::min<int64_t>(vocab, 20)));
  }
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
    cases.push_back(TopIdsCase(OpUse::kBench, vocab, 20));
  }
}

}  // namespace tandem
