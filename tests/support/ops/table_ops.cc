// Op cases of what moves or converts elements: QuantizeRows, Convert, Embedding, SplitColumns,
// GatherRows, GatherIds. Their references are exact.

#include <cmath>

#include "kernels/embedding.h"
#include "kernels/gather_ids.h"
#include "kernels/moe.h"
#include "kernels/quantize.h"
#include "kernels/split_columns.h"
#include "tests/support/ops/matmul_ops.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

class QuantizeOp : public OpRun {
 public:
  QuantizeOp(Context& context, int64_t rows, int64_t width) : OpRun(context) {
    x_ = tensors_.Input(RandomTensor({rows, width}, 3));
    y_ = tensors_.Output(DType::kI8, {rows, width});
    scales_ = tensors_.Output(DType::kF32, {rows});
  }
  void Run(Context& context) override {
    QuantizeRows(context, {.x = x_, .y = y_, .scales = scales_});
  }
  // In float, as the contract says: a half must fall where the op's falls.
  std::vector<std::vector<double>> Reference() const override {
    std::vector<double> want, scales;
    for (int64_t row = 0; row < x_.dim(0); ++row) {
      const float* values = x_.data<float>() + row * x_.dim(1);
      float largest = 0;
      for (int64_t i = 0; i < x_.dim(1); ++i) largest = std::max(largest, std::abs(values[i]));
      for (int64_t i = 0; i < x_.dim(1); ++i) {
        want.push_back(static_cast<double>(std::nearbyint(values[i] * (127.0f / largest))));
      }
      scales.push_back(static_cast<double>(largest / 127.0f));
    }
    return {want, scales};
  }

 private:
  ConstTensorView x_;
  TensorView y_, scales_;
};

class ConvertOp : public OpRun {
 public:
  ConvertOp(Context& context, int64_t count, DType to) : OpRun(context) {
    x_ = tensors_.Input(RandomTensor({count}, 4));
    y_ = tensors_.Output(to, {count});
  }
  void Run(Context& context) override { Convert(context, {.x = x_, .y = y_}); }
  std::vector<std::vector<double>> Reference() const override { return {ToDoubles(x_)}; }

 private:
  ConstTensorView x_;
  TensorView y_;
};

struct EmbeddingShape {
  int64_t tokens;
  int64_t vocab;
  int64_t hidden;
  DType dtype;
};

class EmbeddingOp : public OpRun {
 public:
  EmbeddingOp(Context& context, const EmbeddingShape& shape)
      : OpRun(context),
        shape_(shape),
        table_(context, RandomTensor({shape.vocab, shape.hidden}, 1).view(), shape.dtype) {
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < shape.tokens; ++i) {
      ids.push_back(static_cast<int32_t>((i * 7919 + shape.vocab - 1) % shape.vocab));
    }
    ids_ = tensors_.Input(Integers(ids, {shape.tokens}));
    y_ = tensors_.Output(DType::kF32, {shape.tokens, shape.hidden});
  }
  void Run(Context& context) override {
    Embedding(context, {.ids = ids_, .table = table_.On(context).front(), .y = y_});
  }
  std::vector<std::vector<double>> Reference() const override {
    Tensor rows(DType::kF32, {shape_.vocab, shape_.hidden});
    UnpackRows(table_.host(), 0, rows);
    std::vector<double> want;
    for (int64_t t = 0; t < shape_.tokens; ++t) {
      const std::vector<double> row = ToDoubles(rows.view().Rows(ids_.data<int32_t>()[t], 1));
      want.insert(want.end(), row.begin(), row.end());
    }
    return {want};
  }

 private:
  EmbeddingShape shape_;
  OpMatrices table_;  // one, [vocab, hidden]
  ConstTensorView ids_;
  TensorView y_;
};

class SplitColumnsOp : public OpRun {
 public:
  SplitColumnsOp(Context& context, int64_t rows, const std::vector<int64_t>& widths)
      : OpRun(context) {
    int64_t total = 0;
    for (const int64_t width : widths) total += width;
    x_ = tensors_.Input(NormalTensor({rows, total}, 6));
    for (const int64_t width : widths) {
      parts_.push_back(tensors_.Output(DType::kF32, {rows, width}));
    }
  }
  void Run(Context& context) override { SplitColumns(context, {.x = x_, .parts = parts_}); }
  std::vector<std::vector<double>> Reference() const override {
    const std::vector<double> x = ToDoubles(x_);
    std::vector<std::vector<double>> want;
    int64_t first = 0;
    for (const TensorView& part : parts_) {
      std::vector<double>& columns = want.emplace_back();
      for (int64_t row = 0; row < x_.dim(0); ++row) {
        const auto begin = x.begin() + row * x_.dim(1) + first;
        columns.insert(columns.end(), begin, begin + part.dim(1));
      }
      first += part.dim(1);
    }
    return want;
  }

 private:
  ConstTensorView x_;
  std::vector<TensorView> parts_;
};

class ScatterRowsOp : public OpRun {
 public:
  ScatterRowsOp(Context& context, int64_t num_rows, int64_t tokens, int64_t width)
      : OpRun(context), width_(width) {
    std::vector<int32_t> rows(static_cast<size_t>(num_rows));
    // Another order than ascending, and none twice: `tokens` is prime.
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i] = static_cast<int32_t>(static_cast<int64_t>(7 * i + 3) % tokens);
    }
    x_ = tensors_.Input(NormalTensor({num_rows, width}, 31));
    rows_ = tensors_.Input(Integers(rows, {num_rows}));
    y_ = tensors_.InOut(NormalTensor({tokens, width}, 32));
  }
  void Run(Context& context) override { ScatterRows(context, {.x = x_, .rows = rows_, .y = y_}); }
  std::vector<std::vector<double>> Reference() const override {
    const std::vector<double> x = ToDoubles(x_);
    std::vector<double> y = ToDoubles(y_);
    for (int64_t i = 0; i < x_.dim(0); ++i) {
      std::copy_n(x.begin() + i * width_, width_, y.begin() + rows_.data<int32_t>()[i] * width_);
    }
    return {y};
  }

 private:
  int64_t width_;
  ConstTensorView x_, rows_;
  TensorView y_;
};

class GatherRowsOp : public OpRun {
 public:
  GatherRowsOp(Context& context, int64_t num_rows, int64_t tokens, int64_t width) : OpRun(context) {
    x_ = tensors_.Input(NormalTensor({tokens, width}, 7));
    std::vector<int32_t> rows;
    for (int64_t i = 0; i < num_rows; ++i) rows.push_back(static_cast<int32_t>(i * 5 % tokens));
    rows_ = tensors_.Input(Integers(rows, {num_rows}));
    y_ = tensors_.Output(DType::kF32, {num_rows, width});
  }
  void Run(Context& context) override { GatherRows(context, {.x = x_, .rows = rows_, .y = y_}); }
  std::vector<std::vector<double>> Reference() const override {
    std::vector<double> want;
    for (int64_t i = 0; i < rows_.dim(0); ++i) {
      const std::vector<double> row = ToDoubles(x_.Rows(rows_.data<int32_t>()[i], 1));
      want.insert(want.end(), row.begin(), row.end());
    }
    return {want};
  }

 private:
  ConstTensorView x_, rows_;
  TensorView y_;
};

// Every third token has no source, and every fifth row drew nothing.
class GatherIdsOp : public OpRun {
 public:
  GatherIdsOp(Context& context, int64_t tokens, int64_t rows) : OpRun(context) {
    std::vector<int32_t> drawn, sources, ids;
    for (int64_t row = 0; row < rows; ++row) {
      drawn.push_back(row % 5 == 4 ? -1 : static_cast<int32_t>(1000 + row));
    }
    for (int64_t t = 0; t < tokens; ++t) {
      sources.push_back(t % 3 == 2 ? -1 : static_cast<int32_t>((t * 7 + 1) % rows));
      ids.push_back(static_cast<int32_t>(t + 1));
    }
    drawn_ = tensors_.Input(Integers(drawn, {rows}));
    sources_ = tensors_.Input(Integers(sources, {tokens}));
    ids_ = tensors_.InOut(Integers(ids, {tokens}));
  }
  void Run(Context& context) override {
    GatherIds(context, {.drawn = drawn_, .sources = sources_, .ids = ids_});
  }
  std::vector<std::vector<double>> Reference() const override {
    std::vector<double> ids = ToDoubles(ids_);
    for (size_t t = 0; t < ids.size(); ++t) {
      const int32_t source = sources_.data<int32_t>()[t];
      if (source >= 0) ids[t] = std::max(drawn_.data<int32_t>()[source], 0);
    }
    return {ids};
  }

 private:
  ConstTensorView drawn_, sources_;
  TensorView ids_;
};

OpCase QuantizeCase(OpUse use, int64_t rows, int64_t width) {
  return {.op = "quantize_rows",
          .shape = Times({rows, width}),
          .dtype = "i8",
          .use = use,
          .bytes = rows * (5 * width + 4),
          .flops = 4 * rows * width,
          .tolerance = DType::kI32,
          .prepare = [=](Context& context) {
            return std::make_unique<QuantizeOp>(context, rows, width);
          }};
}

OpCase ConvertCase(OpUse use, int64_t count, DType to) {
  return {
      .op = "convert",
      .shape = Times({count}),
      .dtype = std::string(Name(to)),
      .use = use,
      .bytes = count * (4 + SizeOf(to)),
      .flops = count,
      .prepare = [=](Context& context) { return std::make_unique<ConvertOp>(context, count, to); }};
}

OpCase EmbeddingCase(OpUse use, const EmbeddingShape& s) {
  return {.op = "embedding",
          .shape = Times({s.tokens, s.hidden}) + " of " + std::to_string(s.vocab),
          .dtype = std::string(Name(s.dtype)),
          .use = use,
          .bytes = s.tokens * (4 + s.hidden * (4 + SizeOf(s.dtype))),
          .flops = s.tokens * s.hidden,
          .tolerance = DType::kI32,
          .prepare = [s](Context& context) { return std::make_unique<EmbeddingOp>(context, s); }};
}

OpCase SplitCase(OpUse use, int64_t rows, const std::vector<int64_t>& widths) {
  int64_t total = 0;
  for (const int64_t width : widths) total += width;
  return {.op = "split_columns",
          .shape = Times({rows, total}) + " in " + std::to_string(widths.size()),
          .dtype = "f32",
          .use = use,
          .bytes = 8 * rows * total,
          .tolerance = DType::kI32,
          .prepare = [=](Context& context) {
            return std::make_unique<SplitColumnsOp>(context, rows, widths);
          }};
}

OpCase ScatterCase(OpUse use, int64_t num_rows, int64_t tokens, int64_t width) {
  return {.op = "scatter_rows",
          .shape = Times({num_rows, width}) + " of " + std::to_string(tokens),
          .dtype = "f32",
          .use = use,
          .bytes = 8 * num_rows * width,
          .prepare = [=](Context& context) {
            return std::make_unique<ScatterRowsOp>(context, num_rows, tokens, width);
          }};
}

OpCase GatherCase(OpUse use, int64_t num_rows, int64_t tokens, int64_t width) {
  return {.op = "gather_rows",
          .shape = Times({num_rows, width}),
          .dtype = "f32",
          .use = use,
          .bytes = num_rows * (4 + 8 * width),
          .tolerance = DType::kI32,
          .prepare = [=](Context& context) {
            return std::make_unique<GatherRowsOp>(context, num_rows, tokens, width);
          }};
}

OpCase GatherIdsCase(OpUse use, int64_t tokens, int64_t rows) {
  return {.op = "gather_ids",
          .shape = Times({tokens}) + " of " + std::to_string(rows),
          .dtype = "i32",
          .use = use,
          .bytes = 12 * tokens,
          .tolerance = DType::kI32,
          .prepare = [=](Context& context) {
            return std::make_unique<GatherIdsOp>(context, tokens, rows);
          }};
}

}  // namespace

void AddTableCases(std::vector<OpCase>& cases) {
  for (const int64_t rows : {0, 1, 3, 40}) {
    for (const int64_t width : {1, 2, 15, 16, 17, 172, 2048}) {
      cases.push_back(QuantizeCase(OpUse::kTest, rows, width));
    }
  }
  for (const DType to : {DType::kF32, DType::kBf16, DType::kF16}) {
    for (const int64_t count : {0, 1, 17, 100003}) {
      cases.push_back(ConvertCase(OpUse::kTest, count, to));
    }
  }
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBf16, DType::kI8}) {
    cases.push_back(EmbeddingCase(OpUse::kTest, {0, 131, 37, dtype}));
    cases.push_back(EmbeddingCase(OpUse::kTest, {7, 131, 37, dtype}));
    cases.push_back(EmbeddingCase(OpUse::kTest, {701, 131, 64, dtype}));
  }
  cases.push_back(SplitCase(OpUse::kTest, 0, {3, 1}));
  cases.push_back(SplitCase(OpUse::kTest, 5, {7, 1, 16}));
  cases.push_back(SplitCase(OpUse::kTest, 211, {128, 64, 64}));
  cases.push_back(ScatterCase(OpUse::kTest, 0, 3, 5));
  cases.push_back(ScatterCase(OpUse::kTest, 11, 13, 37));
  cases.push_back(ScatterCase(OpUse::kTest, 90, 397, 173));
  cases.push_back(ScatterCase(OpUse::kBench, 4000, 4099, 512));
  cases.push_back(GatherCase(OpUse::kTest, 0, 3, 5));
  cases.push_back(GatherCase(OpUse::kTest, 7, 11, 37));
  cases.push_back(GatherCase(OpUse::kTest, 400, 90, 173));

  cases.push_back(GatherIdsCase(OpUse::kTest, 0, 3));
  cases.push_back(GatherIdsCase(OpUse::kTest, 1, 1));
  cases.push_back(GatherIdsCase(OpUse::kTest, 37, 11));
  cases.push_back(GatherIdsCase(OpUse::kTest, 301, 700));

  for (const int64_t tokens : {1, 16, 512}) {
    cases.push_back(QuantizeCase(OpUse::kBench, tokens, 512));
    cases.push_back(QuantizeCase(OpUse::kBench, tokens, 1408));
    cases.push_back(EmbeddingCase(OpUse::kBench, {tokens, 6400, 512, DType::kBf16}));
    cases.push_back(SplitCase(OpUse::kBench, tokens, {512, 128, 128}));
  }
  cases.push_back(EmbeddingCase(OpUse::kBench, {512, 6400, 512, DType::kI8}));
  cases.push_back(ConvertCase(OpUse::kBench, 512 * 512, DType::kBf16));
  cases.push_back(GatherCase(OpUse::kBench, 1024, 512, 512));
  cases.push_back(GatherIdsCase(OpUse::kBench, 512, 512));
}

}  // namespace tandem
