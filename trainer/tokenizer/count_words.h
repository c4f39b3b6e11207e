#pragma once
// Counts the words of a corpus on several threads.

#include "engine/text/known_pattern.h"
#include "kernels/core/thread_pool.h"
#include "trainer/tokenizer/corpus_reader.h"
#include "trainer/tokenizer/word_counts.h"

namespace tandem {

// The counts do not depend on the number of threads (the order of the entries does). When several
// parts are broken, the FormatError is that of the first.
WordCounts CountWords(const CorpusReader& corpus, KnownPattern pattern, ThreadPool& pool);

// Adds the words of one unit, which is valid UTF-8.
void AddWords(KnownPattern pattern, std::string_view unit, WordCounts* counts);

}  // namespace tandem
