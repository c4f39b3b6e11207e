// The ladder: kernels <- engine <- scheduler <- {api, trainer}. Reads every #include against it,
// and keeps third-party headers where they belong.

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/repo/source_tree.h"

namespace tandem {
namespace {

// What a folder may include, by prefix. The longest folder that holds a file decides.
const std::map<std::string, std::vector<std::string>>& Ladder() {
  static const std::map<std::string, std::vector<std::string>> ladder = {
      {"kernels", {"kernels/"}},
      {"engine/base", {"engine/base/", "kernels/core/"}},
      {"engine", {"engine/", "kernels/"}},
      {"scheduler", {"scheduler/", "engine/", "kernels/"}},
      {"api", {"api/", "scheduler/", "engine/", "kernels/"}},
      {"trainer", {"trainer/", "scheduler/", "engine/", "kernels/"}},
      {"loadtest", {"loadtest/", "engine/base/", "kernels/core/error.h"}},
  };
  return ladder;
}

bool StartsWithAny(std::string_view text, const std::vector<std::string>& prefixes) {
  for (const std::string& prefix : prefixes) {
    if (text.starts_with(prefix)) return true;
  }
  return false;
}

struct Include {
  std::string path;
  bool quoted = false;
};

std::optional<Include> ParseInclude(std::string_view line) {
  const auto skip_spaces = [&line] {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  };
  skip_spaces();
  if (!line.starts_with('#')) return std::nullopt;
  line.remove_prefix(1);
  skip_spaces();
  if (!line.starts_with("include")) return std::nullopt;
  line.remove_prefix(7);
  skip_spaces();
  if (line.empty() || (line.front() != '"' && line.front() != '<')) return std::nullopt;
  const bool quoted = line.front() == '"';
  line.remove_prefix(1);
  return Include{std::string(line.substr(0, line.find(quoted ? '"' : '>'))), quoted};
}

// Headers that few .cc files of one folder share to work with nlohmann/json. No other header may
// include them, so that the library does not spread.
bool HoldsJson(const std::string& path) {
  return path == "engine/base/json_builder.h" || path == "engine/text/json_access.h";
}

std::string ProjectIncludeError(const SourceFile& file, const std::string& included) {
  if (HoldsJson(included) && file.IsHeader()) return included + " belongs in .cc files";
  std::string folder;
  for (const auto& [name, allowed] : Ladder()) {
    if (file.IsUnder(name) && name.size() > folder.size()) folder = name;
  }
  if (folder.empty()) return "";
  const std::vector<std::string>& allowed = Ladder().at(folder);
  if (StartsWithAny(included, allowed)) return "";
  std::string message = folder + " must not include \"" + included + "\"; it may include";
  for (const std::string& prefix : allowed) message += " " + prefix;
  return message;
}

std::string ThirdPartyIncludeError(const SourceFile& file, const std::string& included) {
  const bool is_source = file.path.ends_with(".cc");
  if (included.starts_with("boost/beast")) {
    if (!file.IsUnder("api/http") || !is_source) return "Beast belongs in api/http/*.cc";
  } else if (included.starts_with("boost/")) {
    if (!file.IsUnder("api") && !file.IsUnder("loadtest")) {
      return "Boost belongs in api and loadtest; below them nothing knows Asio";
    }
  }
  if (included == "nlohmann/json.hpp" && !is_source && !HoldsJson(file.path)) {
    return "<nlohmann/json.hpp> belongs in .cc files (json_fwd.hpp is for headers)";
  }
  if (included.starts_with("spdlog/") && !file.IsUnder("engine/base")) {
    return "spdlog belongs in engine/base; include engine/base/log.h";
  }
  const bool is_cuda = StartsWithAny(
      included, {"cuda", "cublas", "cub/", "curand", "cooperative_groups", "mma.h", "nvtx"});
  if (is_cuda && !file.IsUnder("kernels/cuda")) return "CUDA headers belong in kernels/cuda";
  if (included.starts_with("nccl") && !file.IsUnder("kernels/comm")) {
    return "NCCL belongs in kernels/comm";
  }
  return "";
}

std::vector<std::string> LayeringFindings(const SourceFile& file) {
  std::vector<std::string> findings;
  const std::vector<std::string> lines = SplitLines(file.text);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::optional<Include> include = ParseInclude(lines[i]);
    if (!include) continue;
    const std::string error = include->quoted ? ProjectIncludeError(file, include->path)
                                              : ThirdPartyIncludeError(file, include->path);
    if (!error.empty()) findings.push_back(Finding(file.path, i, error));
  }
  return findings;
}

TEST(Layering, EveryIncludeGoesDownTheLadder) {
  const std::vector<SourceFile> files = ReadSources(ProgramFolders());
  ASSERT_FALSE(files.empty());
  std::vector<std::string> findings;
  for (const SourceFile& file : files) {
    for (const std::string& finding : LayeringFindings(file)) findings.push_back(finding);
  }
  EXPECT_TRUE(findings.empty()) << Joined(findings);
}

// One forward pass, one scheduler, one trainer: which device it is, is the business of kernels/.
std::vector<std::string> DeviceFindings(const SourceFile& file) {
  std::vector<std::string> findings;
  const std::vector<std::string> lines = SplitLines(CodeOnly(file.text));
  for (size_t i = 0; i < lines.size(); ++i) {
    for (const char* word : {"cuda", "Cuda", "CUDA", "DeviceKind"}) {
      if (lines[i].find(word) == std::string::npos) continue;
      findings.push_back(Finding(file.path, i, std::string("names a device: ") + word));
    }
  }
  return findings;
}

TEST(Layering, NothingAboveKernelsNamesADevice) {
  const std::vector<SourceFile> files =
      ReadSources({"engine", "scheduler", "api", "trainer", "loadtest"});
  ASSERT_FALSE(files.empty());
  std::vector<std::string> findings;
  for (const SourceFile& file : files) {
    for (const std::string& finding : DeviceFindings(file)) findings.push_back(finding);
  }
  EXPECT_TRUE(findings.empty()) << Joined(findings);
  EXPECT_EQ(DeviceFindings({.path = "engine/x.cc",
                            .text = "// cuda\nif (device.kind == DeviceKind::kCuda) Run();\n"})
                .size(),
            2u);
}

// The rules themselves, on one line each: an empty expectation means the include is fine.
struct Rule {
  std::string path;
  std::string line;
  std::string expected;
};

TEST(Layering, RulesNameFileLineAndReason) {
  const std::vector<Rule> rules = {
      {"kernels/norm.cc", "#include \"kernels/core/tensor.h\"", ""},
      {"kernels/norm.cc", "#include \"engine/runner.h\"", "kernels must not include"},
      {"engine/base/log.cc", "#include \"kernels/core/error.h\"", ""},
      {"engine/base/log.cc", "#include \"kernels/norm.h\"", "engine/base must not include"},
      {"engine/model/x.cc", "#include \"engine/base/log.h\"", ""},
      {"engine/model/x.cc", "#include \"scheduler/request.h\"", "engine must not include"},
      {"scheduler/x.h", "#include \"api/x.h\"", "scheduler must not include"},
      {"api/x.cc", "#include \"trainer/x.h\"", "api must not include"},
      {"trainer/x.cc", "#include \"api/x.h\"", "trainer must not include"},
      {"trainer/x.cc", "#include \"scheduler/request.h\"", ""},
      {"loadtest/x.cc", "#include \"engine/base/json.h\"", ""},
      {"loadtest/x.cc", "#include \"kernels/core/error.h\"", ""},
      {"loadtest/x.cc", "#include \"kernels/core/tensor.h\"", "loadtest must not include"},
      {"loadtest/x.cc", "#include \"engine/runner.h\"", "loadtest must not include"},
      {"kernels/norm.cc", "#include \"norm.h\"", "kernels must not include"},
      {"api/http/x.cc", "#include <boost/beast/http.hpp>", ""},
      {"api/http/x.h", "#include <boost/beast/http.hpp>", "Beast belongs"},
      {"api/routes/x.cc", "#  include <boost/beast/http.hpp>", "Beast belongs"},
      {"api/http/x.h", "#include <boost/asio.hpp>", ""},
      {"scheduler/x.cc", "#include <boost/asio.hpp>", "Boost belongs"},
      {"engine/base/json.cc", "#include <nlohmann/json.hpp>", ""},
      {"engine/base/json.h", "#include <nlohmann/json.hpp>", "belongs in .cc"},
      {"engine/base/json.h", "#include <nlohmann/json_fwd.hpp>", ""},
      {"engine/base/json_builder.h", "#include <nlohmann/json.hpp>", ""},
      {"engine/base/json.cc", "#include \"engine/base/json_builder.h\"", ""},
      {"engine/base/json.h", "#include \"engine/base/json_builder.h\"", "belongs in .cc"},
      {"engine/base/log.cc", "#include <spdlog/spdlog.h>", ""},
      {"api/x.cc", "#include <spdlog/spdlog.h>", "spdlog belongs"},
      {"kernels/cuda/norm.cu", "#include <cuda_runtime.h>", ""},
      {"kernels/core/stream.cc", "#include <cuda_runtime.h>", "CUDA headers belong"},
      {"kernels/comm/nccl_communicator.cc", "#include <nccl.h>", ""},
  };
  for (const Rule& rule : rules) {
    SCOPED_TRACE(rule.path + ": " + rule.line);
    const std::vector<std::string> findings =
        LayeringFindings({.path = rule.path, .text = "\n" + rule.line + "\n"});
    if (rule.expected.empty()) {
      EXPECT_TRUE(findings.empty()) << Joined(findings);
    } else {
      ASSERT_EQ(findings.size(), 1u);
      EXPECT_TRUE(findings[0].starts_with(rule.path + ":2: ")) << findings[0];
      EXPECT_NE(findings[0].find(rule.expected), std::string::npos) << findings[0];
    }
  }
}

}  // namespace
}  // namespace tandem
