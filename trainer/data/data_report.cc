#include "trainer/data/data_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/quantity.h"

namespace tandem {
namespace {

std::string Count(uint64_t count, std::string_view one, std::string_view many) {
  return FormatCount(static_cast<int64_t>(count)) + ' ' + std::string(count == 1 ? one : many);
}

void SortByHash(std::vector<DocumentKey>* documents) {
  std::sort(documents->begin(), documents->end(), [](const auto& a, const auto& b) {
    return a.content_hash != b.content_hash ? a.content_hash < b.content_hash : a.line < b.line;
  });
}

void SortByLine(std::vector<DuplicateLine>* duplicates) {
  std::sort(duplicates->begin(), duplicates->end(),
            [](const auto& a, const auto& b) { return a.line < b.line; });
}

}  // namespace

std::string Summary(const DataReport& report) {
  const DataCounts& counts = report.counts;
  std::string text = fmt::format(
      "{}, {}, {} ({} learned)", Count(counts.num_documents, "document", "documents"),
      Count(report.num_samples, "sample", "samples"), Count(report.num_tokens, "token", "tokens"),
      FormatCount(static_cast<int64_t>(report.num_targets)));
  if (counts.num_cut > 0) {
    text += fmt::format("; {} cut by {}", Count(counts.num_cut, "document", "documents"),
                        Count(counts.num_cut_tokens, "token", "tokens"));
  }
  if (counts.num_split > 0) {
    text += fmt::format("; {} split", Count(counts.num_split, "document", "documents"));
  }
  if (counts.num_blank > 0) {
    text += fmt::format("; {} skipped", Count(counts.num_blank, "blank", "blanks"));
  }
  if (counts.num_duplicates > 0) {
    text += fmt::format("; {}", Count(counts.num_duplicates, "duplicate", "duplicates"));
  }
  if (counts.num_bad > 0)
    text += fmt::format("; {}", Count(counts.num_bad, "bad line", "bad lines"));
  return text;
}

std::string ListProblems(const DataReport& report, size_t max_lines) {
  const std::string path = report.path.string();
  const size_t num_problems = report.bad_lines.size() + report.duplicates.size();
  size_t num_listed = 0;
  std::string text;
  for (const BadLine& bad : report.bad_lines) {
    if (num_listed == max_lines) break;
    text += fmt::format("{}:{}: {}\n", path, bad.line, bad.reason);
    ++num_listed;
  }
  for (const DuplicateLine& duplicate : report.duplicates) {
    if (num_listed == max_lines) break;
    text += fmt::format("{}:{}: the same as line {}\n", path, duplicate.line, duplicate.first_line);
    ++num_listed;
  }
  if (num_listed < num_problems) text += fmt::format("and {} more\n", num_problems - num_listed);
  return text;
}

std::vector<DuplicateLine> FindDuplicates(std::vector<DocumentKey> documents) {
  SortByHash(&documents);
  std::vector<DuplicateLine> duplicates;
  size_t first = 0;
  for (size_t i = 1; i < documents.size(); ++i) {
    if (documents[i].content_hash != documents[first].content_hash) {
      first = i;
    } else {
      duplicates.push_back({.line = documents[i].line, .first_line = documents[first].line});
    }
  }
  SortByLine(&duplicates);
  return duplicates;
}

std::vector<DuplicateLine> FindShared(std::vector<DocumentKey> train,
                                      std::vector<DocumentKey> held_out) {
  SortByHash(&train);
  std::vector<DuplicateLine> shared;
  for (const DocumentKey& document : held_out) {
    const auto found = std::lower_bound(
        train.begin(), train.end(), document.content_hash,
        [](const DocumentKey& key, uint64_t hash) { return key.content_hash < hash; });
    if (found == train.end() || found->content_hash != document.content_hash) continue;
    shared.push_back({.line = document.line, .first_line = found->line});
  }
  SortByLine(&shared);
  return shared;
}

}  // namespace tandem
