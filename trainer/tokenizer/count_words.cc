#include "trainer/tokenizer/count_words.h"

#include <atomic>
#include <exception>
#include <vector>

namespace tandem {

void AddWords(KnownPattern pattern, std::string_view unit, WordCounts* counts) {
  for (size_t begin = 0; begin < unit.size();) {
    const size_t end = EndOfMatch(pattern, unit, begin);
    counts->Add(unit.substr(begin, end - begin), 1);
    begin = end;
  }
}

WordCounts CountWords(const CorpusReader& corpus, KnownPattern pattern, ThreadPool& pool) {
  const auto parts = corpus.parts();
  std::vector<WordCounts> counts(static_cast<size_t>(pool.num_threads()));
  // Parts are handed out in order, so every part before a broken one is read to its end.
  std::vector<std::exception_ptr> errors(parts.size());
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  pool.Run([&](int thread, int) {
    WordCounts& mine = counts[static_cast<size_t>(thread)];
    for (size_t i = next++; i < parts.size() && !failed; i = next++) {
      try {
        corpus.ForEachUnit(parts[i],
                           [&](std::string_view unit) { AddWords(pattern, unit, &mine); });
        corpus.Forget(parts[i]);
      } catch (...) {
        errors[i] = std::current_exception();
        failed = true;
      }
    }
  });
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  for (size_t i = 1; i < counts.size(); ++i) {
    counts[0].Add(counts[i]);
    counts[i] = WordCounts();
  }
  return std::move(counts[0]);
}

}  // namespace tandem
