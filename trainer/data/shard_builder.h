#pragma once
// From a data file to a shard: validated and tokenised once, on all threads of a pool, into a file
// whose name has the fingerprint of all that it was made from. The result does not depend on the
// number of threads. Called by one thread, which owns the pool for the call.

#include <cstdint>
#include <filesystem>

#include "engine/text/tokenizer.h"
#include "kernels/core/error.h"
#include "kernels/core/thread_pool.h"
#include "trainer/data/conversation_renderer.h"
#include "trainer/data/data_report.h"
#include "trainer/data/data_source.h"
#include "trainer/data/sample_maker.h"
#include "trainer/data/token_shard.h"

namespace tandem {

// What turns text into ids. Borrowed; `renderer` may be null where no conversations are read.
struct DataInputs {
  const Tokenizer& tokenizer;
  uint64_t tokenizer_fingerprint = 0;  // FingerprintTokenizer
  const ConversationRenderer* renderer = nullptr;
};

enum class OnBadLine : uint8_t {
  kStop,  // looks at the whole file, then throws BadDataError with every bad line
  kSkip,  // goes on without them; the report has them
};

struct ShardOptions {
  SampleOptions samples = {};
  OnBadLine on_bad_line = OnBadLine::kStop;
};

// A file has bad lines, or no good document. The message lists the first of them.
class BadDataError : public FormatError {
 public:
  BadDataError(const std::string& message, DataReport report)
      : FormatError(message), report_(std::move(report)) {}
  const DataReport& report() const { return report_; }

 private:
  DataReport report_;
};

// Validates and tokenises without writing anything. Throws FormatError when the file cannot be
// read, ConfigError for options that contradict each other; never because of bad lines.
DataReport CheckData(const DataInputs& inputs, const DataSource& source,
                     const ShardOptions& options, ThreadPool& pool);

struct PreparedShard {
  TokenShard shard;
  DataReport report;  // of a shard that was there before: without its bad lines and duplicates
  std::filesystem::path report_path;  // a text file beside the shard, with all of them
  bool was_there = false;
};

// The shard of `source` in `directory`, which is made when it is not there. Throws as CheckData,
// BadDataError, DeviceError when it cannot be written, and FormatError when the one that is there
// is broken.
PreparedShard PrepareShard(const DataInputs& inputs, const DataSource& source,
                           const ShardOptions& options, const std::filesystem::path& directory,
                           ThreadPool& pool);

}  // namespace tandem
