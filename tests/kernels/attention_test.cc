#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/core/random.h"
#include "kernels/cpu/attention_plan.h"
#include "tests/support/ops/attention_ops.h"
#include "tests/support/tolerances.h"

namespace tandem {
namespace {

// Which part of which text a step computes.
struct Chunk {
  size_t text;
  int64_t begin;
  int64_t end;
};

enum class Work { kWriteOnly, kWriteAndAttend };

// A cache full of NaN and texts whose pages lie scattered in it; steps append to the outputs.
class Serving {
 public:
  Serving(const AttentionHeads& c, std::vector<const AttentionText*> texts, InstructionSet isa,
          int num_threads, uint64_t page_seed = 0)
      : case_(c),
        texts_(std::move(texts)),
        threads_(num_threads),
        context_{.pool = threads_, .isa = isa, .workspace = workspace_},
        pool_({.num_layers = 2,
               .num_kv_heads = c.num_kv_heads,
               .head_dim = c.head_dim,
               .dtype = c.dtype},
              NumPages() + 3) {
    std::memset(pool_.layer(0), 0xff,
                static_cast<size_t>(pool_.num_pages() * pool_.layout().page_bytes()));
    AssignPages(page_seed);
    for (const AttentionText* text : texts_) {
      outputs_.emplace_back(static_cast<size_t>(text->length * Width()) * SizeOf(c.y_dtype));
    }
  }

  void Step(const std::vector<Chunk>& chunks, Work work = Work::kWriteAndAttend) {
    std::vector<float> q, k, v;
    std::vector<int32_t> cu = {0}, lens, tables;
    const int64_t kv_width = case_.num_kv_heads * case_.head_dim;
    const auto append = [](std::vector<float>& to, const std::vector<float>& from, int64_t begin,
                           int64_t end) {
      to.insert(to.end(), from.begin() + begin, from.begin() + end);
    };
    for (const Chunk& chunk : chunks) {
      const AttentionText& text = *texts_[chunk.text];
      append(q, text.q, chunk.begin * Width(), chunk.end * Width());
      append(k, text.k, chunk.begin * kv_width, chunk.end * kv_width);
      append(v, text.v, chunk.begin * kv_width, chunk.end * kv_width);
      cu.push_back(cu.back() + static_cast<int32_t>(chunk.end - chunk.begin));
      lens.push_back(static_cast<int32_t>(chunk.end));
      // Pages past the context, or before the window of all to come, may be gone.
      std::vector<int32_t> table = tables_[chunk.text];
      for (int64_t i = 0; i < max_pages_; ++i) {
        const bool is_past = i * 16 >= chunk.end;
        const bool is_out = case_.window > 0 && i * 16 + 15 < chunk.begin - case_.window + 1;
        if (is_past || is_out) table[i] = -1;
      }
      tables.insert(tables.end(), table.begin(), table.end());
    }
    const int64_t num_tokens = cu.back();
    const auto num_seqs = static_cast<int64_t>(lens.size());
    const RaggedBatch batch{.cu_seqlens = {cu.data(), {num_seqs + 1}},
                            .context_lens = {lens.data(), {num_seqs}},
                            .page_tables = {tables.data(), {num_seqs, max_pages_}}};
    const Shape kv_shape{num_tokens, case_.num_kv_heads, case_.head_dim};
    const Shape shape{num_tokens, case_.num_heads, case_.head_dim};
    KvWrite(context_, {.k = {k.data(), kv_shape},
                       .v = {v.data(), kv_shape},
                       .batch = batch,
                       .pool = pool_,
                       .layer = 1});
    if (work == Work::kWriteOnly) return;
    std::vector<std::byte> y(static_cast<size_t>(num_tokens * Width() * SizeOf(case_.y_dtype)));
    Attention(context_, {.q = {q.data(), shape},
                         .batch = batch,
                         .pool = pool_,
                         .layer = 1,
                         .scale = case_.scale(),
                         .window = case_.window,
                         .y = {y.data(), case_.y_dtype, shape}});
    const int64_t row_bytes = Width() * SizeOf(case_.y_dtype);
    for (size_t i = 0; i < chunks.size(); ++i) {
      std::copy(y.begin() + cu[i] * row_bytes, y.begin() + cu[i + 1] * row_bytes,
                outputs_[chunks[i].text].begin() + chunks[i].begin * row_bytes);
    }
  }

  void Prefill(size_t text, int64_t chunk_tokens) {
    for (int64_t i = 0; i < texts_[text]->length; i += chunk_tokens) {
      Step({{text, i, std::min(i + chunk_tokens, texts_[text]->length)}});
    }
  }

  const std::vector<std::byte>& output(size_t text) const { return outputs_[text]; }
  float Output(size_t text, int64_t position, int64_t column) const {
    const int64_t index = position * Width() + column;
    if (case_.y_dtype == DType::kF32) {
      return reinterpret_cast<const float*>(outputs_[text].data())[index];
    }
    return static_cast<float>(reinterpret_cast<const BFloat16*>(outputs_[text].data())[index]);
  }
  const Workspace& workspace() const { return workspace_; }

 private:
  int64_t Width() const { return case_.num_heads * case_.head_dim; }
  int64_t NumPages() const {
    int64_t count = 0;
    for (const AttentionText* text : texts_) count += (text->length + 15) / 16;
    return count;
  }
  // Seed 0: in order. Otherwise shuffled.
  void AssignPages(uint64_t seed) {
    std::vector<int32_t> free(static_cast<size_t>(pool_.num_pages()));
    std::iota(free.begin(), free.end(), 0);
    for (size_t i = free.size(); seed != 0 && i > 1; --i) {
      std::swap(free[i - 1], free[RandomBits({.seed = seed, .position = i})[0] % i]);
    }
    size_t next = 0;
    for (const AttentionText* text : texts_)
      max_pages_ = std::max(max_pages_, (text->length + 15) / 16);
    for (const AttentionText* text : texts_) {
      std::vector<int32_t>& table = tables_.emplace_back(static_cast<size_t>(max_pages_), -1);
      for (int64_t i = 0; i < (text->length + 15) / 16; ++i) table[i] = free[next++];
    }
  }

  AttentionHeads case_;
  std::vector<const AttentionText*> texts_;
  ThreadPool threads_;
  Workspace workspace_;
  Context context_;
  KvPool pool_;
  int64_t max_pages_ = 0;
  std::vector<std::vector<int32_t>> tables_;
  std::vector<std::vector<std::byte>> outputs_;
};

class AttentionOn : public testing::TestWithParam<std::tuple<InstructionSet, DType>> {
 protected:
  InstructionSet isa() const { return std::get<0>(GetParam()); }
  DType dtype() const { return std::get<1>(GetParam()); }

  void ExpectAgreement(const AttentionHeads& c, int64_t length) {
    const AttentionText text(c, length, 7);
    Serving serving(c, {&text}, isa(), 2);
    serving.Prefill(0, length);
    for (const int64_t context : {1, 2, 15, 16, 17, 63, 64, 65, 72, 511, 512, 513, 1100}) {
      if (context > length) break;
      const std::vector<double> want = ReferenceAttentionRow(c, text, context - 1);
      double largest = 0, worst = 0;
      for (size_t i = 0; i < want.size(); ++i) {
        const double difference =
            std::abs(serving.Output(0, context - 1, static_cast<int64_t>(i)) - want[i]);
        worst = difference <= worst ? worst : difference;  // keeps NaN
        largest = std::max(largest, std::abs(want[i]));
      }
      const DType computed = c.y_dtype == DType::kBf16 ? DType::kBf16 : c.dtype;
      EXPECT_LE(worst / largest, OpTolerance(computed)) << c.Label() << " context " << context;
    }
  }
};

TEST_P(AttentionOn, AgreesWithDoublePrecisionAtEveryHeadDim) {
  for (const int64_t head_dim : {8, 16, 64, 80, 96, 128}) {
    ExpectAgreement({.num_heads = 4, .num_kv_heads = 2, .head_dim = head_dim, .dtype = dtype()},
                    520);
  }
}

TEST_P(AttentionOn, AgreesWithDoublePrecisionInEveryGrouping) {
  const std::pair<int64_t, int64_t> groupings[] = {{8, 8}, {8, 2}, {8, 1}, {12, 4}, {11, 1}};
  for (const auto& [num_heads, num_kv_heads] : groupings) {
    ExpectAgreement(
        {.num_heads = num_heads, .num_kv_heads = num_kv_heads, .head_dim = 16, .dtype = dtype()},
        130);
  }
}

TEST_P(AttentionOn, AgreesWithDoublePrecisionOverSegmentsAndWindows) {
  for (const int64_t window : {0, 1, 7, 64, 100, 600}) {
    ExpectAgreement(
        {.num_heads = 2, .num_kv_heads = 1, .head_dim = 24, .window = window, .dtype = dtype()},
        1100);
  }
}

TEST_P(AttentionOn, RoundsItsOutputToBf16) {
  ExpectAgreement({.head_dim = 24, .dtype = dtype(), .y_dtype = DType::kBf16}, 65);
}

// The promise of DESIGN section 3 for one case: every way to compute a text has the same bits.
void ExpectSameBitsEveryWay(const AttentionHeads& c, InstructionSet isa, int64_t length) {
  const AttentionText text(c, length, 11);
  Serving whole(c, {&text}, isa, 1);
  whole.Prefill(0, length);
  const std::vector<std::byte>& want = whole.output(0);

  uint64_t seed = 100;
  for (const int64_t chunk_tokens : {1, 16, 64, 100}) {
    Serving chunked(c, {&text}, isa, 1, ++seed);
    chunked.Prefill(0, chunk_tokens);
    EXPECT_EQ(chunked.output(0), want) << c.Label() << " chunks of " << chunk_tokens;
  }
  for (const int num_threads : {2, 3}) {
    Serving threaded(c, {&text}, isa, num_threads, ++seed);
    threaded.Step({{0, 0, length - 5}});
    for (int64_t i = length - 5; i < length; ++i) threaded.Step({{0, i, i + 1}});
    EXPECT_EQ(threaded.output(0), want) << c.Label() << " threads " << num_threads;
  }
  // Beside a text that is decoded and one that is prefilled, with an idle sequence between.
  const AttentionText other(c, length, 12), third(c, 90, 13);
  Serving mixed(c, {&other, &text, &third}, isa, 2, ++seed);
  mixed.Step({{0, 0, length - 40}});
  for (int64_t i = 0, step = 0; i < length; i += 37, ++step) {
    std::vector<Chunk> chunks = {{0, length - 40 + step, length - 39 + step},
                                 {1, i, std::min(i + 37, length)}};
    if (step < 3) chunks.push_back({2, step * 30, step * 30 + 30});
    if (step == 4) chunks.insert(chunks.begin(), {2, 90, 90});
    mixed.Step(chunks);
  }
  EXPECT_EQ(mixed.output(1), want) << c.Label() << " in a mixed batch";
}

TEST_P(AttentionOn, GivesTheSameBitsHoweverTheTextIsComputed) {
  ExpectSameBitsEveryWay({.head_dim = 64, .dtype = dtype()}, isa(), 300);
  ExpectSameBitsEveryWay({.num_heads = 3, .num_kv_heads = 1, .head_dim = 8, .dtype = dtype()},
                         isa(), 1100);
  ExpectSameBitsEveryWay({.num_heads = 6, .num_kv_heads = 6, .head_dim = 16, .dtype = dtype()},
                         isa(), 200);
}

TEST_P(AttentionOn, GivesTheSameBitsInAWindow) {
  ExpectSameBitsEveryWay(
      {.num_heads = 4, .num_kv_heads = 2, .head_dim = 40, .window = 7, .dtype = dtype()}, isa(),
      150);
  ExpectSameBitsEveryWay(
      {.num_heads = 3, .num_kv_heads = 1, .head_dim = 16, .window = 100, .dtype = dtype()}, isa(),
      700);
}

// One long sequence on one kv head: its segments are shared between threads.
TEST_P(AttentionOn, GivesTheSameBitsWhenThreadsShareASequence) {
  const AttentionHeads c{.num_heads = 4, .num_kv_heads = 1, .head_dim = 64, .dtype = dtype()};
  const AttentionText text(c, 4000, 21);
  std::vector<std::vector<std::byte>> outputs;
  for (const int num_threads : {1, 2, 3, 5}) {
    Serving serving(c, {&text}, isa(), num_threads);
    serving.Step({{0, 0, 3960}}, Work::kWriteOnly);
    serving.Step({{0, 3960, 3990}});
    for (int64_t i = 3990; i < 4000; ++i) serving.Step({{0, i, i + 1}});
    outputs.push_back(serving.output(0));
  }
  for (const auto& output : outputs) EXPECT_EQ(output, outputs[0]);
}

INSTANTIATE_TEST_SUITE_P(Machine, AttentionOn,
                         testing::Combine(testing::ValuesIn(UsableInstructionSets()),
                                          testing::Values(DType::kF32, DType::kBf16)),
                         [](const auto& test) {
                           return std::string(Name(std::get<0>(test.param))) + "_" +
                                  std::string(Name(std::get<1>(test.param)));
                         });

TEST(Attention, AllocatesNothingInASteadyState) {
  const AttentionHeads c{};
  const AttentionText text(c, 600, 31);
  Serving serving(c, {&text}, BestInstructionSet(), 2);
  serving.Step({{0, 0, 500}});
  const int64_t held = serving.workspace().size_bytes();
  for (int64_t i = 500; i < 600; ++i) serving.Step({{0, i, i + 1}});
  EXPECT_EQ(serving.workspace().size_bytes(), held);
}

TEST(Attention, RefusesAPageOutsideThePool) {
  ThreadPool threads(1);
  Workspace workspace;
  Context context{.pool = threads, .workspace = workspace};
  KvPool pool({.num_layers = 1, .num_kv_heads = 1, .head_dim = 8, .dtype = DType::kF32}, 2);
  const std::vector<int32_t> cu = {0, 1}, lens = {20}, tables = {1, 2};
  std::vector<float> q(16), y(16);
  EXPECT_THROW(Attention(context, {.q = {q.data(), {1, 2, 8}},
                                   .batch = {.cu_seqlens = {cu.data(), {2}},
                                             .context_lens = {lens.data(), {1}},
                                             .page_tables = {tables.data(), {1, 2}}},
                                   .pool = pool,
                                   .scale = 1.0f,
                                   .y = {y.data(), {1, 2, 8}}}),
               InternalError);
}

// What PlanAttention makes of sequences of `new_tokens` tokens at the end of `lens` keys.
class AttentionPlanOf {
 public:
  AttentionPlanOf(std::vector<int32_t> new_tokens, std::vector<int32_t> lens, int num_threads)
      : lens_(std::move(lens)), scope_(workspace_) {
    for (const int32_t tokens : new_tokens) cu_.push_back(cu_.back() + tokens);
    call_.num_heads = 6;
    call_.num_kv_heads = 3;
    call_.head_dim = 64;
    call_.cu_seqlens = cu_.data();
    call_.context_lens = lens_.data();
    plan_ = cpu::PlanAttention(call_, static_cast<int64_t>(lens_.size()), num_threads, scope_);
  }
  const cpu::AttentionPlan& plan() const { return plan_; }

  // Segments of all items that share `index` evaluates.
  int64_t NumSegments(int index) const {
    int64_t count = 0;
    const auto num_items = static_cast<int64_t>(plan_.items.size());
    for (int64_t i = plan_.cuts[index].item; i <= plan_.cuts[index + 1].item && i < num_items;
         ++i) {
      const cpu::AttentionPiece piece = plan_.Piece(index, i);
      EXPECT_LE(piece.first_segment, piece.end_segment);
      const bool is_whole = piece.first_segment == piece.item->first_segment() &&
                            piece.end_segment == piece.item->end_segment();
      EXPECT_EQ(piece.partials == nullptr || piece.first_segment == piece.end_segment,
                is_whole || piece.first_segment == piece.end_segment);
      count += piece.end_segment - piece.first_segment;
    }
    return count;
  }

 private:
  std::vector<int32_t> cu_ = {0}, lens_;
  Workspace workspace_;
  WorkspaceScope scope_;
  cpu::AttentionCall call_;
  cpu::AttentionPlan plan_;
};

TEST(AttentionPlan, SharesALongSequenceBetweenThreads) {
  const AttentionPlanOf planned({1}, {8192}, 2);
  EXPECT_EQ(planned.plan().items.size(), 3u);
  EXPECT_EQ(planned.plan().shared.size(), 1u);
  EXPECT_EQ(planned.NumSegments(0), 24);
  EXPECT_EQ(planned.NumSegments(1), 24);
}

TEST(AttentionPlan, KeepsShortSequencesWhole) {
  const AttentionPlanOf planned(std::vector<int32_t>(64, 1), std::vector<int32_t>(64, 700), 4);
  EXPECT_EQ(planned.plan().num_shares(), 4);
  EXPECT_TRUE(planned.plan().shared.empty());
  for (int i = 0; i < 4; ++i) EXPECT_EQ(planned.NumSegments(i), 96);
}

TEST(AttentionPlan, LeavesSmallWorkToOneThread) {
  EXPECT_EQ(AttentionPlanOf({1, 0}, {40, 9}, 8).plan().num_shares(), 1);
}

TEST(AttentionPlan, CoversEverySegmentOnce) {
  for (const int num_threads : {1, 2, 3, 7, 16}) {
    for (const int32_t length : {600, 2047, 5000}) {
      const AttentionPlanOf planned({1, 30, 1}, {length, 40, length / 2}, num_threads);
      int64_t expected = 0, count = 0;
      for (const auto& item : planned.plan().items) {
        expected += item.end_segment() - item.first_segment();
      }
      for (int i = 0; i < planned.plan().num_shares(); ++i) count += planned.NumSegments(i);
      EXPECT_EQ(count, expected) << num_threads << " threads, " << length << " keys";
    }
  }
}

// The op table compares AttentionBackward with this reference; here it is held to differences.
TEST(AttentionBackward, ReferenceIsTheDerivative) {
  const AttentionHeads heads{.num_heads = 4, .num_kv_heads = 2, .head_dim = 8, .window = 4};
  const AttentionText text(heads, 6, 9);
  const AttentionText other(heads, 6, 10);
  const std::vector<float>& dy = other.q;
  const auto loss = [&](const AttentionText& at) {
    double sum = 0;
    for (int64_t position = 0; position < at.length; ++position) {
      const std::vector<double> y = ReferenceAttentionRow(heads, at, position);
      for (size_t i = 0; i < y.size(); ++i) {
        sum += y[i] * static_cast<double>(dy[static_cast<size_t>(position) * y.size() + i]);
      }
    }
    return sum;
  };
  const AttentionGradients gradients = ReferenceAttentionGradients(heads, text, dy);
  const auto check = [&](std::vector<float> AttentionText::*part, const std::vector<double>& want) {
    ASSERT_EQ((text.*part).size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      AttentionText moved = text;
      // Floats that differ by what they really differ by.
      (moved.*part)[i] += 0.01f;
      const double above = loss(moved), up = static_cast<double>((moved.*part)[i]);
      (moved.*part)[i] = (text.*part)[i] - 0.01f;
      const double below = loss(moved), down = static_cast<double>((moved.*part)[i]);
      EXPECT_NEAR((above - below) / (up - down), want[i], 1e-4) << i;
    }
  };
  check(&AttentionText::q, gradients.dq);
  check(&AttentionText::k, gradients.dk);
  check(&AttentionText::v, gradients.dv);
}

}  // namespace
}  // namespace tandem
