#include "loadtest/arrivals/trace.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;

TEST(Trace, KeepsTimesPromptsAndLengths) {
  const TemporaryDirectory folder;
  const auto file = folder.Write("trace.jsonl",
                                 "{\"timestamp\": 100.5, \"prompt\": \"Hi\"}\n\n"
                                 "{\"timestamp\": 100.75, \"prompt_tokens\": 12, "
                                 "\"output_tokens\": 34}\n");
  const auto entries = ReadTrace(file);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].at.count(), 0);
  EXPECT_EQ(entries[0].prompt, "Hi");
  EXPECT_EQ(entries[0].num_output_tokens, std::nullopt);
  EXPECT_EQ(entries[1].at, milliseconds(250));
  EXPECT_EQ(entries[1].num_prompt_tokens, 12);
  EXPECT_EQ(entries[1].num_output_tokens, 34);
  const auto arrivals = TraceArrivals(entries, 2.0);
  EXPECT_EQ(arrivals->Next(), milliseconds(0));
  EXPECT_EQ(arrivals->Next(), milliseconds(125));
  EXPECT_EQ(arrivals->Next(), std::nullopt);
}

TEST(Trace, NamesFileAndLineOfWhatIsWrong) {
  const TemporaryDirectory folder;
  const auto message = [&folder](const std::string& text) {
    const auto file = folder.Write("t.jsonl", text);
    return MessageOf<FormatError>([&] { ReadTrace(file); });
  };
  EXPECT_TRUE(Contains(message("{\"timestamp\": 1}\n{\"prompt\": \"x\"}\n"), "t.jsonl:2"));
  EXPECT_TRUE(Contains(message("{\"timestamp\": 2}\n{\"timestamp\": 1}\n"), "sort the trace"));
  EXPECT_TRUE(Contains(message("{\"timestamp\": 1, \"output_tokens\": -3}"), "output_tokens"));
  EXPECT_TRUE(Contains(message("\n"), "has no requests"));
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { ReadTrace(folder / "none"); }), "none"));
}

}  // namespace
}  // namespace tandem
