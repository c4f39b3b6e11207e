#include "trainer/data/shard_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/base/atomic_file.h"
#include "engine/base/mapped_file.h"
#include "trainer/data/data_fingerprint.h"

namespace tandem {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;
constexpr size_t kBlocksPerThread = 4;  // in memory at once; threads take the next one when free
constexpr size_t kProblemsInMessage = 20;

// What one block became. Made by one worker, merged by the caller in the order of blocks.
struct BlockResult {
  ShardPart part;
  std::vector<BadLine> bad_lines;
  std::vector<DocumentKey> documents;
  DataCounts counts;
};

class BuildPass {
 public:
  // `writer` may be null: then nothing is written.
  BuildPass(const DocumentSplit& split, const SampleMaker& maker, const ShardLayout& layout,
            TokenShardWriter* writer)
      : split_(split), maker_(maker), layout_(layout), writer_(writer) {}

  DataReport Run(const std::filesystem::path& path, ThreadPool& pool) {
    report_.path = path;
    const std::vector<SourceBlock> blocks = split_.Blocks(kBlockBytes);
    const size_t wave = static_cast<size_t>(pool.num_threads()) * kBlocksPerThread;
    for (size_t begin = 0; begin < blocks.size(); begin += wave) {
      const size_t count = std::min(wave, blocks.size() - begin);
      std::vector<BlockResult> results(count);
      std::atomic<size_t> next = 0;
      pool.Run([&](int, int) {
        for (size_t i = next++; i < count; i = next++) results[i] = ReadBlock(blocks[begin + i]);
      });
      for (BlockResult& result : results) Merge(std::move(result));
    }
    report_.duplicates = FindDuplicates(std::move(documents_));
    report_.counts.num_duplicates = report_.duplicates.size();
    return std::move(report_);
  }

 private:
  BlockResult ReadBlock(const SourceBlock& block) const;
  void Merge(BlockResult result);

  const DocumentSplit& split_;
  const SampleMaker& maker_;
  const ShardLayout& layout_;
  TokenShardWriter* writer_;
  DataReport report_;
  std::vector<DocumentKey> documents_;
};

BlockResult BuildPass::ReadBlock(const SourceBlock& block) const {
  BlockResult result;
  const DocumentSplit::Documents read = split_.DocumentsIn(block);
  result.counts.num_lines = static_cast<uint64_t>(block.num_lines);
  result.counts.num_blank = static_cast<uint64_t>(read.num_blank);
  for (const SourceDocument& document : read.documents) {
    auto made = maker_.Make(document);
    if (auto* bad = std::get_if<BadRecord>(&made)) {
      result.bad_lines.push_back({.line = document.line, .reason = std::move(bad->reason)});
      continue;
    }
    const auto& samples = std::get<MadeSamples>(made);
    for (const TrainSample& sample : samples.samples) {
      result.part.Append(layout_, sample, samples.content_hash, document.line);
    }
    result.documents.push_back({.content_hash = samples.content_hash, .line = document.line});
    result.counts.num_cut += samples.num_cut_tokens > 0 ? 1 : 0;
    result.counts.num_cut_tokens += static_cast<uint64_t>(samples.num_cut_tokens);
    result.counts.num_split += samples.samples.size() > 1 ? 1 : 0;
  }
  result.counts.num_documents = result.documents.size();
  result.counts.num_bad = result.bad_lines.size();
  return result;
}

void BuildPass::Merge(BlockResult result) {
  if (writer_ != nullptr) writer_->Append(result.part);
  for (const ShardPart::Entry& entry : result.part.entries) {
    report_.num_tokens += entry.num_tokens;
    report_.num_targets += entry.num_targets;
  }
  report_.num_samples += result.part.entries.size();
  for (BadLine& bad : result.bad_lines) report_.bad_lines.push_back(std::move(bad));
  documents_.insert(documents_.end(), result.documents.begin(), result.documents.end());
  DataCounts& sum = report_.counts;
  sum.num_lines += result.counts.num_lines;
  sum.num_blank += result.counts.num_blank;
  sum.num_documents += result.counts.num_documents;
  sum.num_bad += result.counts.num_bad;
  sum.num_cut += result.counts.num_cut;
  sum.num_cut_tokens += result.counts.num_cut_tokens;
  sum.num_split += result.counts.num_split;
}

// A source that is mapped, and all that follows from its options.
struct OpenSource {
  OpenSource(const DataInputs& inputs, const DataSource& source, const ShardOptions& options)
      : file(source.path),
        content(WithoutByteOrderMark(
            {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()})),
        format(ResolveFormat(source, content)),
        split(content, format, source.separator),
        maker(inputs.tokenizer, inputs.renderer, format, options.samples),
        layout{.vocab_size = inputs.tokenizer.vocab_size(), .has_mask = maker.has_mask()} {}

  MappedFile file;
  std::string_view content;
  DataFormat format;
  DocumentSplit split;
  SampleMaker maker;
  ShardLayout layout;
};

void CheckReport(const DataReport& report, OnBadLine on_bad_line,
                 const std::filesystem::path& report_path) {
  const bool stops = !report.bad_lines.empty() && on_bad_line == OnBadLine::kStop;
  if (!stops && report.counts.num_documents > 0) return;
  DataReport bad_only = report;
  bad_only.duplicates.clear();
  std::string message =
      stops ? fmt::format("{} bad of {} lines in {}; correct them, or tell to skip them",
                          report.counts.num_bad, report.counts.num_lines, report.path.string())
            : report.path.string() + " has no document to learn from";
  if (!report.bad_lines.empty()) message += ":\n" + ListProblems(bad_only, kProblemsInMessage);
  if (report.bad_lines.size() > kProblemsInMessage) {
    message += "all of them are in " + report_path.string();
  }
  throw BadDataError(message, report);
}

DataReport ReportOf(const TokenShard& shard, const std::filesystem::path& path) {
  return {.path = path,
          .counts = shard.counts(),
          .num_samples = static_cast<uint64_t>(shard.num_samples()),
          .num_tokens = static_cast<uint64_t>(shard.num_tokens()),
          .num_targets = static_cast<uint64_t>(shard.num_targets()),
          .bad_lines = {},
          .duplicates = {}};
}

void CreateDirectories(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    throw DeviceError("cannot create " + directory.string() + ": " + error.message());
  }
}

}  // namespace

DataReport CheckData(const DataInputs& inputs, const DataSource& source,
                     const ShardOptions& options, ThreadPool& pool) {
  const OpenSource open(inputs, source, options);
  return BuildPass(open.split, open.maker, open.layout, nullptr).Run(source.path, pool);
}

PreparedShard PrepareShard(const DataInputs& inputs, const DataSource& source,
                           const ShardOptions& options, const std::filesystem::path& directory,
                           ThreadPool& pool) {
  OpenSource open(inputs, source, options);
  open.layout.fingerprint = FingerprintShard(inputs, source, open.format, open.content, options);
  const std::string name =
      fmt::format("{}-{:016x}", source.path.stem().string(), open.layout.fingerprint);
  const std::filesystem::path path = directory / (name + ".shard");
  const std::filesystem::path report_path = directory / (name + ".report.txt");
  std::error_code ignored;  // what cannot be looked at is made again
  if (std::filesystem::exists(path, ignored)) {
    TokenShard shard(path);
    if (shard.layout() != open.layout) {
      throw FormatError(path.string() + " is the shard of other data; remove it");
    }
    DataReport report = ReportOf(shard, source.path);
    return {std::move(shard), std::move(report), report_path, /*was_there=*/true};
  }
  CreateDirectories(directory);
  TokenShardWriter writer(path, open.layout);
  DataReport report =
      BuildPass(open.split, open.maker, open.layout, &writer).Run(source.path, pool);
  WriteFileAtomically(report_path, Summary(report) + '\n' + ListProblems(report));
  CheckReport(report, options.on_bad_line, report_path);
  writer.Finish(report.counts);
  return {TokenShard(path), std::move(report), report_path, /*was_there=*/false};
}

}  // namespace tandem
