#include "engine/model/token_batch.h"

#include <algorithm>

#include "kernels/gather_ids.h"

namespace tandem {

void TokenBatch::Assign(Context& context, std::span<const SequenceStep> sequences,
                        const BatchPadding& padding, const DrawnTokens& before) {
  const auto num_given = static_cast<int64_t>(sequences.size());
  num_tokens_ = 0;
  max_pages_ = std::max<int64_t>(padding.max_pages, 1);
  max_position_ = -1;
  for (const SequenceStep& sequence : sequences) {
    const int64_t end = sequence.first + sequence.count;
    CHECK(sequence.count >= 1 && end <= sequence.total(), sequence.first, sequence.count,
          sequence.total());
    CHECK(static_cast<int64_t>(sequence.pages.size()) * KvLayout::kPageTokens >= end,
          sequence.pages.size(), end);
    num_tokens_ += sequence.count;
    max_pages_ = std::max(max_pages_, static_cast<int64_t>(sequence.pages.size()));
    max_position_ = std::max(max_position_, end - 1);
  }
  const int64_t num_added = std::max<int64_t>(padding.num_tokens - num_tokens_, 0);
  num_tokens_ += num_added;
  num_seqs_ = num_given + num_added;
  // With pending tokens or without: memory that grew for the first of them would move.
  values_.Reserve(context, FirstSource() + num_tokens_);
  values_.host()[FirstBound()] = 0;
  int64_t first_token = 0;
  for (int64_t index = 0; index < num_given; ++index) {
    const SequenceStep& sequence = sequences[static_cast<size_t>(index)];
    Write(sequence, index, first_token);
    first_token += sequence.count;
  }
  for (int64_t index = num_given; index < num_seqs_; ++index) {
    WritePadding(padding.page, index, first_token++);
  }
  const bool has_pending = WriteSources(sequences, before.rows);
  values_.ToDevice(context, FirstSource() + (has_pending ? num_tokens_ : 0));
  if (!has_pending) return;
  GatherIds(context, {.drawn = before.ids,
                      .sources = values_.view({num_tokens_}, FirstSource()),
                      .ids = values_.view({num_tokens_}, 0)});
}

// Sequence `index`, whose first token of the step is the batch's `first_token`.
void TokenBatch::Write(const SequenceStep& sequence, int64_t index, int64_t first_token) {
  int32_t* const values = values_.host();
  for (int64_t i = 0; i < sequence.count; ++i) {
    const int64_t position = sequence.first + i;
    const auto at = static_cast<size_t>(position);
    values[first_token + i] = at < sequence.history.size() ? sequence.history[at] : 0;
    values[num_tokens_ + first_token + i] = static_cast<int32_t>(position);
  }
  values[FirstBound() + index + 1] = static_cast<int32_t>(first_token + sequence.count);
  values[FirstLength() + index] = static_cast<int32_t>(sequence.first + sequence.count);
  int32_t* const pages = values + FirstPage() + index * max_pages_;
  std::fill(std::copy(sequence.pages.begin(), sequence.pages.end(), pages), pages + max_pages_, 0);
}

// All of these write the same K and V to the same place: nobody else reads it.
void TokenBatch::WritePadding(PageId page, int64_t index, int64_t token) {
  int32_t* const values = values_.host();
  values[token] = 0;
  values[num_tokens_ + token] = 0;
  values[FirstBound() + index + 1] = static_cast<int32_t>(token + 1);
  values[FirstLength() + index] = 1;
  int32_t* const pages = values + FirstPage() + index * max_pages_;
  std::fill(pages, pages + max_pages_, 0);
  pages[0] = page;
}

// Where the pending tokens come from; false when there is none. A pending token is the last of its
// sequence, so its chunk may end before it.
bool TokenBatch::WriteSources(std::span<const SequenceStep> sequences,
                              std::span<const int32_t> rows) {
  const auto waits = [](const SequenceStep& sequence) {
    return sequence.follows >= 0 && sequence.first + sequence.count == sequence.total();
  };
  if (std::none_of(sequences.begin(), sequences.end(), waits)) return false;
  int32_t* const sources = values_.host() + FirstSource();
  std::fill(sources, sources + num_tokens_, -1);
  int64_t end_token = 0;
  for (const SequenceStep& sequence : sequences) {
    end_token += sequence.count;
    if (!waits(sequence)) continue;
    const auto followed = static_cast<size_t>(sequence.follows);
    CHECK(followed < rows.size() && rows[followed] >= 0, followed, rows.size());
    sources[end_token - 1] = rows[followed];
  }
  return true;
}

RaggedBatch TokenBatch::ragged() const {
  return {.cu_seqlens = values_.view({num_seqs_ + 1}, FirstBound()),
          .context_lens = values_.view({num_seqs_}, FirstLength()),
          .page_tables = values_.view({num_seqs_, max_pages_}, FirstPage())};
}

}  // namespace tandem
