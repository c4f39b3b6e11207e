#include "tests/support/ops/attention_ops.h"

#include <algorithm>
#include <cstring>

#include "kernels/core/random.h"
#include "tests/support/ops/op_cases.h"
#include "tests/support/ops/operands.h"

namespace tandem {

std::string AttentionHeads::Label() const {
  return std::string(Name(dtype)) + " heads " + std::to_string(num_heads) + "/" +
         std::to_string(num_kv_heads) + " dim " + std::to_string(head_dim) + " window " +
         std::to_string(window);
}

namespace {

std::vector<float> RoughlyNormal(int64_t count, uint64_t seed) {
  std::vector<float> values(static_cast<size_t>(count));
  const auto drawn = std::min<size_t>(values.size(), kMostDrawn);
  for (size_t i = 0; i < drawn; ++i) {
    const auto bits = RandomBits({.seed = seed, .position = i, .purpose = RandomPurpose::kInit});
    double sum = -2.0;
    for (const uint32_t word : bits) sum += word * 0x1.0p-32;
    values[i] = static_cast<float>(sum * 1.7);
  }
  RepeatDrawn(values.data(), count);
  return values;
}

double Rounded(float value, DType dtype) {
  return static_cast<double>(dtype == DType::kBf16 ? static_cast<float>(BFloat16(value)) : value);
}

}  // namespace

AttentionText::AttentionText(const AttentionHeads& heads, int64_t num_tokens, uint64_t seed)
    : length(num_tokens),
      q(RoughlyNormal(num_tokens * heads.q_width(), 3 * seed)),
      k(RoughlyNormal(num_tokens * heads.kv_width(), 3 * seed + 1)),
      v(RoughlyNormal(num_tokens * heads.kv_width(), 3 * seed + 2)) {}

std::vector<double> ReferenceAttentionRow(const AttentionHeads& heads, const AttentionText& text,
                                          int64_t position) {
  std::vector<double> y(static_cast<size_t>(heads.q_width()));
  const int64_t dim = heads.head_dim;
  const int64_t first = heads.window > 0 ? std::max<int64_t>(position - heads.window + 1, 0) : 0;
  for (int64_t head = 0; head < heads.num_heads; ++head) {
    const int64_t kv_head = head / (heads.num_heads / heads.num_kv_heads);
    const float* q = text.q.data() + position * heads.q_width() + head * dim;
    std::vector<double> scores;
    for (int64_t key = first; key <= position; ++key) {
      const float* k = text.k.data() + key * heads.kv_width() + kv_head * dim;
      double score = 0;
      for (int64_t d = 0; d < dim; ++d) {
        score += Rounded(q[d], heads.dtype) * Rounded(k[d], heads.dtype);
      }
      scores.push_back(score * static_cast<double>(heads.scale()));
    }
    const double best = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (double& score : scores) sum += score = std::exp(score - best);
    for (int64_t key = first; key <= position; ++key) {
      const float* v = text.v.data() + key * heads.kv_width() + kv_head * dim;
      const double p = scores[static_cast<size_t>(key - first)] / sum;
      for (int64_t d = 0; d < dim; ++d) {
        y[static_cast<size_t>(head * dim + d)] += p * Rounded(v[d], heads.dtype);
      }
    }
  }
  return y;
}

OwnedBatch::OwnedBatch(const std::vector<SequenceShape>& sequences) {
  std::vector<int32_t> cu = {0}, lens;
  int64_t max_pages = 1;
  for (const SequenceShape& sequence : sequences) {
    cu.push_back(cu.back() + static_cast<int32_t>(sequence.new_tokens));
    lens.push_back(static_cast<int32_t>(sequence.context_len));
    const int64_t pages = (sequence.context_len + 15) / 16;
    max_pages = std::max(max_pages, pages);
    num_pages += pages;
  }
  num_tokens = cu.back();
  // Neighbours in a text lie apart in the pool: the n-th page taken is page n * stride, mod a prime
  // above the number of pages in use.
  const auto is_prime = [](int64_t n) {
    for (int64_t i = 2; i * i <= n; ++i) {
      if (n % i == 0) return false;
    }
    return true;
  };
  num_pages = std::max<int64_t>(num_pages + 1, 7);
  while (!is_prime(num_pages)) ++num_pages;
  std::vector<int32_t> tables;
  int64_t taken = 0;
  for (const SequenceShape& sequence : sequences) {
    for (int64_t i = 0; i < max_pages; ++i) {
      const bool is_used = i * 16 < sequence.context_len;
      tables.push_back(is_used ? static_cast<int32_t>(++taken * 5 % num_pages) : -1);
    }
  }
  const auto num_seqs = static_cast<int64_t>(sequences.size());
  cu_seqlens = Integers(cu, {num_seqs + 1});
  context_lens = Integers(lens, {num_seqs});
  page_tables = Integers(tables, {num_seqs, max_pages});
}

void OwnedBatch::MoveTo(Context& context) {
  for (Tensor* tensor : {&cu_seqlens, &context_lens, &page_tables}) {
    *tensor = Placed(context, std::move(*tensor));
  }
}

KvLayout LayoutOf(const AttentionHeads& heads) {
  return {.num_layers = 2,
          .num_kv_heads = heads.num_kv_heads,
          .head_dim = heads.head_dim,
          .dtype = heads.dtype};
}

void FillPool(KvPool& pool, int byte) {
  std::memset(pool.layer(0), byte,
              static_cast<size_t>(pool.num_pages() * pool.layout().page_bytes()));
}

KvPool Placed(Context& context, KvPool pool) {
  if (context.device == kCpuDevice) return pool;
  KvPool placed(pool.layout(), pool.num_pages(), context.device);
  const Shape bytes{pool.num_pages() * pool.layout().page_bytes()};
  Copy(context, {pool.layer(0), DType::kU8, bytes},
       {placed.layer(0), DType::kU8, bytes, context.device});
  return placed;
}

std::string AttentionShape::Label() const {
  const SequenceShape& first = sequences.front();
  return std::to_string(sequences.size()) + " x " + std::to_string(first.new_tokens) + " of " +
         std::to_string(first.context_len) + ", " + std::to_string(heads.num_heads) + "/" +
         std::to_string(heads.num_kv_heads) + " x " + std::to_string(heads.head_dim) +
         (heads.window > 0 ? " window " + std::to_string(heads.window) : "");
}

AttentionOp::AttentionOp(Context& context, const AttentionShape& given)
    : OpRun(context),
      shape(given),
      batch(shape.sequences),
      pool(LayoutOf(shape.heads), batch.num_pages) {
  FillPool(pool, 0xff);
  const AttentionHeads& heads = shape.heads;
  std::vector<SequenceShape> whole = shape.sequences;
  for (SequenceShape& sequence : whole) sequence.new_tokens = sequence.context_len;
  const OwnedBatch all(whole);  // the same pages
  std::vector<float> queries, keys, values;
  for (size_t i = 0; i < whole.size(); ++i) {
    const AttentionText& text = TextOf(context, i);
    queries.insert(queries.end(), text.q.end() - shape.sequences[i].new_tokens * heads.q_width(),
                   text.q.end());
    keys.insert(keys.end(), text.k.begin(), text.k.end());
    values.insert(values.end(), text.v.begin(), text.v.end());
  }
  const Shape kv_shape{all.num_tokens, heads.num_kv_heads, heads.head_dim};
  HostSide host(context);
  KvWrite(host, {.k = {keys.data(), kv_shape},
                 .v = {values.data(), kv_shape},
                 .batch = all.view(),
                 .pool = pool,
                 .layer = kLayer});
  const Shape q_shape{batch.num_tokens, heads.num_heads, heads.head_dim};
  q = tensors_.Input({queries.data(), q_shape});
  y = tensors_.Output(heads.y_dtype, q_shape);
  batch.MoveTo(context);
  pool = Placed(context, std::move(pool));
}

// On another device than the CPU, where nothing is compared, every text is made for many sequences.
const AttentionText& AttentionOp::TextOf(Context& context, size_t sequence) {
  constexpr size_t kMostTexts = 4;
  const int64_t length = shape.sequences[sequence].context_len;
  if (context.device != kCpuDevice && sequence >= kMostTexts) {
    const AttentionText& text = texts_[sequence % kMostTexts];
    if (text.length == length) return text;
  }
  return texts_.emplace_back(shape.heads, length, static_cast<uint64_t>(sequence + 1));
}

void AttentionOp::Run(Context& context) {
  Attention(context, {.q = q,
                      .batch = batch.view(),
                      .pool = pool,
                      .layer = kLayer,
                      .scale = shape.heads.scale(),
                      .window = shape.heads.window,
                      .y = y});
}

std::vector<std::vector<double>> AttentionOp::Reference() const {
  std::vector<double> want;
  for (size_t i = 0; i < texts_.size(); ++i) {
    const SequenceShape& sequence = shape.sequences[i];
    for (int64_t p = sequence.context_len - sequence.new_tokens; p < sequence.context_len; ++p) {
      const std::vector<double> row = ReferenceAttentionRow(shape.heads, texts_[i], p);
      want.insert(want.end(), row.begin(), row.end());
    }
  }
  return {want};
}

namespace {

OpCase AttentionCase(OpUse use, const AttentionShape& s) {
  int64_t tokens = 0, keys = 0, pairs = 0;  // a pair: a token and a key that it sees
  for (const SequenceShape& sequence : s.sequences) {
    tokens += sequence.new_tokens;
    keys += sequence.context_len;
    for (int64_t i = 0; i < sequence.new_tokens; ++i) pairs += sequence.context_len - i;
  }
  const AttentionHeads& h = s.heads;
  return {.op = "attention",
          .shape = s.Label(),
          .dtype = std::string(Name(h.dtype)),
          .use = use,
          .bytes = 2 * keys * h.kv_width() * SizeOf(h.dtype) +
                   tokens * h.q_width() * (4 + SizeOf(h.y_dtype)),
          .flops = pairs * h.num_heads * (4 * h.head_dim + kExpFlops),
          .unit = h.dtype == DType::kBf16 ? OpUnit::kBf16Vector : OpUnit::kF32,
          .tolerance = h.dtype,
          .bits = OpBits::kOfInstructionSet,
          .device = {.product_flops = pairs * h.num_heads * 4 * h.head_dim},
          .prepare = [s](Context& context) { return std::make_unique<AttentionOp>(context, s); }};
}

// Prompts, as many tokens whatever their length; then one new token for each of many contexts.
void AddAttentionDeviceCases(OpUse use, std::vector<OpCase>& cases) {
  const bool tiny = use == OpUse::kDeviceTiny;
  const auto add = [&](AttentionHeads heads, int64_t count, SequenceShape sequence,
                       DeviceRow device) {
    heads.dtype = heads.y_dtype = DType::kBf16;
    OpCase c = AttentionCase(
        use, {heads, std::vector<SequenceShape>(static_cast<size_t>(count), sequence)});
    device.product_flops = c.device.product_flops;
    c.device = device;
    cases.push_back(std::move(c));
  };
  struct Goal {
    int64_t head_dim;
    double must, aim;  // TFLOP/s
  };
  for (const Goal& goal : {Goal{64, 170, 280}, Goal{96, 180, 300}, Goal{128, 200, 320}}) {
    const AttentionHeads heads{
        .num_heads = tiny ? 2 : 16, .num_kv_heads = tiny ? 1 : 4, .head_dim = goal.head_dim};
    for (const int64_t length : {2048, 8192}) {
      const int64_t whole = tiny ? length / 128 : length;
      add(heads, tiny ? 2 : 16384 / length, {whole, whole},
          {.rate = DeviceRate::kProducts, .must = goal.must, .aim = goal.aim});
    }
  }
  const AttentionHeads of_26m{.num_heads = 8, .num_kv_heads = 2, .head_dim = 64};
  const AttentionHeads of_64m{.num_heads = 8, .num_kv_heads = 4, .head_dim = 96};
  const SequenceShape step{1, tiny ? 20 : 512};
  const DeviceRow large{.must = 0.75, .aim = 0.88, .cold = true};   // 128 MB of keys and values, up
  const DeviceRow middle{.must = 0.45, .aim = 0.60, .cold = true};  // 16 to 64 MB
  add(of_26m, tiny ? 5 : 1024, step, large);
  add(of_64m, tiny ? 4 : 256, step, large);
  add(of_26m, tiny ? 3 : 256, step, middle);
  add(of_26m, tiny ? 2 : 64, step, middle);
  add(of_26m, 1, step, {.rate = DeviceRate::kTime, .must = 6, .aim = 4});
}

}  // namespace

std::vector<AttentionShape> SmallAttentionShapes(DType dtype) {
  const std::vector<SequenceShape> mixed = {{1, 1}, {20, 20}, {0, 5}, {3, 33}, {1, 65}, {7, 530}};
  return {{{.dtype = dtype}, mixed},           {{3, 1, 8, 0, dtype}, mixed},
          {{4, 4, 24, 7, dtype}, mixed},       {{12, 4, 96, 100, dtype, DType::kBf16}, mixed},
          {{4, 1, 64, 0, dtype}, {{1, 2100}}}, {{.dtype = dtype}, {{300, 300}}}};
}

void AddAttentionCases(std::vector<OpCase>& cases) {
  AddAttentionDeviceCases(OpUse::kDeviceBench, cases);
  AddAttentionDeviceCases(OpUse::kDeviceTiny, cases);
  const std::vector<SequenceShape> decode(16, {1, 512});
  const std::vector<SequenceShape> short_decode(64, {1, 40});
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const AttentionShape& shape : SmallAttentionShapes(dtype)) {
      cases.push_back(AttentionCase(OpUse::kTest, shape));
    }
    const AttentionHeads heads{.dtype = dtype};
    cases.push_back(AttentionCase(OpUse::kBench, {heads, {{512, 512}}}));
    cases.push_back(AttentionCase(OpUse::kBench, {heads, {{128, 1024}}}));
    cases.push_back(AttentionCase(OpUse::kBench, {heads, decode}));
    cases.push_back(AttentionCase(OpUse::kBench, {heads, short_decode}));
    cases.push_back(AttentionCase(OpUse::kBench, {heads, {{1, 512}}}));
    cases.push_back(AttentionCase(OpUse::kBench, {heads, {{1, 8192}}}));
  }
  const AttentionHeads large{.head_dim = 96, .dtype = DType::kBf16};
  cases.push_back(AttentionCase(OpUse::kBench, {large, {{512, 512}}}));
  cases.push_back(AttentionCase(OpUse::kBench, {large, decode}));
}

}  // namespace tandem
