#include "loadtest/report/merged_result.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "loadtest/random_draws.h"
#include "loadtest/report/result_table.h"
#include "loadtest/report/utc_text.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr GoodLimits kLimits{.e2e = milliseconds(400)};

// What a run notes of its requests, before it is over.
struct Notes {
  Timeline timeline{std::chrono::seconds(10)};
  Measures total{"all"};
  Measures kind{"chat"};

  void Add(const RequestRecord& record) {
    timeline.Add(record);
    total.Add(record, std::array<uint32_t, 2>{900, 4100}, kLimits);
    kind.Add(record, std::array<uint32_t, 2>{900, 4100}, kLimits);
  }
};

LoadResult ResultOf(const Notes& notes, std::string seed) {
  LoadResult result{.started = "2026-01-01T00:00:00.000Z",
                    .url = "http://a",
                    .server = {.version = "v", .model = "m"},
                    .workload = "load",
                    .described = {"open loop", "streamed"},
                    .warm_up_seconds = 1.0,
                    .offered_rate = 100.0,
                    .goodput = "e2e:400ms",
                    .seed = std::move(seed),
                    .salt = "fixed"};
  result.outcome = {.total = notes.total,
                    .classes = {notes.kind},
                    .timeline = notes.timeline.points(),
                    .interval_seconds = notes.timeline.interval_seconds(),
                    .window_seconds = 10.0,
                    .num_due = notes.total.num_requests(),
                    .peak_in_flight = 7,
                    .client_cpu_share = 0.2,
                    .client_peak_cpu_share = 0.3};
  return result;
}

RequestRecord RandomRequest(RandomDraws& draws) {
  const auto draw = [&draws](double seconds) {
    return nanoseconds(static_cast<int64_t>(1e9 * seconds * draws.Exponential()));
  };
  RequestRecord record{.num_input_tokens = 8, .num_output_tokens = 5, .is_streamed = true};
  record.scheduled = nanoseconds(static_cast<int64_t>(10e9 * draws.Uniform()));
  record.sent = record.scheduled + draw(1e-4);
  record.first_output = record.sent + draw(0.05);
  record.end = record.first_output + draw(0.2);
  if (draws.Uniform() < 0.05) record.outcome = Outcome::kTooMany;
  return record;
}

// Each request goes to one of two workers, and to one that has all.
struct Halves {
  Notes left, right, whole;

  Halves() {
    RandomDraws draws(5);
    for (int i = 0; i < 3000; ++i) {
      const RequestRecord record = RandomRequest(draws);
      (draws.Uniform() < 0.3 ? left : right).Add(record);
      whole.Add(record);
    }
  }
};

// Sums of doubles depend on their order in the last bits; these are sums of whole microseconds.
TEST(MergedResult, OfTheHalvesOfARunIsTheRun) {
  const Halves halves;
  const std::array<WorkerResult, 2> workers = {WorkerResult{"a", ResultOf(halves.left, "1")},
                                               WorkerResult{"b", ResultOf(halves.right, "2")}};
  const LoadResult merged = MergedResult(workers);
  const LoadResult whole = ResultOf(halves.whole, "1, 2");
  EXPECT_EQ(merged.outcome.total.ToJson(), whole.outcome.total.ToJson());
  EXPECT_EQ(merged.outcome.classes[0].ToJson(), whole.outcome.classes[0].ToJson());
  EXPECT_EQ(ToJson(merged.outcome.timeline), ToJson(whole.outcome.timeline));
  EXPECT_EQ(merged.outcome.completed_per_second(), whole.outcome.completed_per_second());
  EXPECT_EQ(merged.outcome.num_due, 3000);
  EXPECT_EQ(merged.seed, "1, 2");
  EXPECT_EQ(merged.url, "http://a");
  EXPECT_EQ(merged.num_workers, 2);
  EXPECT_DOUBLE_EQ(merged.offered_rate, 200.0);
  EXPECT_EQ(merged.outcome.peak_in_flight, 14);
  EXPECT_DOUBLE_EQ(merged.outcome.client_cpu_share, 0.2);
  EXPECT_TRUE(merged.notes.empty());
}

TEST(MergedResult, RatesAreOverTheUnionOfTheTime) {
  const Halves halves;
  WorkerResult late{"b", ResultOf(halves.right, "2")};
  late.result.started = "2026-01-01T00:00:02.500Z";
  late.result.outcome.window_seconds = 10.5;
  const std::array<WorkerResult, 2> workers = {late, WorkerResult{"a", ResultOf(halves.left, "1")}};
  const LoadResult merged = MergedResult(workers);
  EXPECT_EQ(merged.started, "2026-01-01T00:00:00.000Z") << "whatever the order";
  EXPECT_DOUBLE_EQ(merged.outcome.window_seconds, 13.0);
  ASSERT_FALSE(Warnings(merged).empty());
  EXPECT_TRUE(Contains(Warnings(merged)[0], "58 % of the time"));
  EXPECT_TRUE(Contains(ResultTable(merged, Styler(Styler::Colour::kOff)),
                       "workers           2 of this load, side by side"));
}

TEST(MergedResult, KeepsWhatIsToBeKnownOfTheWorkers) {
  const Notes notes;
  std::array<WorkerResult, 2> workers = {WorkerResult{"a", ResultOf(notes, "1")},
                                         WorkerResult{"b", ResultOf(notes, "1")}};
  workers[0].result.salt = "7";
  workers[1].result.notes = {"few files"};
  const LoadResult merged = MergedResult(workers);
  ASSERT_EQ(merged.notes.size(), 2u);
  EXPECT_EQ(merged.notes[0], "few files");
  EXPECT_TRUE(Contains(merged.notes[1], "the same seed"));
}

TEST(MergedResult, ComesBackFromItsFile) {
  const Halves halves;
  const std::array<WorkerResult, 2> workers = {WorkerResult{"a", ResultOf(halves.left, "1")},
                                               WorkerResult{"b", ResultOf(halves.right, "2")}};
  const LoadResult merged = MergedResult(workers);
  const TemporaryDirectory folder;
  const LoadResult read = ReadResult(folder.Write("m.json", ResultJson(merged)));
  EXPECT_EQ(ResultJson(read), ResultJson(merged));
  const std::array<WorkerResult, 2> again = {WorkerResult{"m.json", read}, workers[0]};
  EXPECT_TRUE(
      Contains(MessageOf<ConfigError>([&] { MergedResult(again); }), "m.json is merged already"));
}

TEST(MergedResult, RefusesWhatDoesNotBelongTogether) {
  const Notes notes;
  const auto message = [&notes](const std::function<void(LoadResult&)>& change) {
    std::array<WorkerResult, 2> workers = {WorkerResult{"a.json", ResultOf(notes, "1")},
                                           WorkerResult{"b.json", ResultOf(notes, "2")}};
    change(workers[1].result);
    return MessageOf<ConfigError>([&] { MergedResult(workers); });
  };
  EXPECT_EQ(message([](LoadResult& b) { b.workload = "other"; }),
            "a.json and b.json do not belong together: the workload is \"load\" in one and "
            "\"other\" in the other");
  EXPECT_TRUE(Contains(message([](LoadResult& b) { b.described[1] = "not streamed"; }),
                       "\"streamed\" in one and \"not streamed\""));
  EXPECT_TRUE(Contains(message([](LoadResult& b) { b.described.push_back("more"); }), "\"more\""));
  EXPECT_TRUE(Contains(message([](LoadResult& b) { b.goodput = ""; }), "--goodput"));
  EXPECT_TRUE(Contains(message([](LoadResult& b) { b.warm_up_seconds = 2; }), "warm-up"));
  EXPECT_TRUE(Contains(message([](LoadResult& b) { b.server.model = "n"; }), "the model"));
  EXPECT_TRUE(Contains(message([](LoadResult& b) { b.server.version = "w"; }), "version"));
  EXPECT_TRUE(Contains(message([](LoadResult& b) { b.seed = "1"; }), "--seed of its own"));
  EXPECT_TRUE(Contains(message([](LoadResult& b) { b.started = "2026-01-01T00:01:00.000Z"; }),
                       "one was over 50.0 s before"));
  const std::array<WorkerResult, 1> one = {WorkerResult{"a.json", ResultOf(notes, "1")}};
  EXPECT_TRUE(Contains(MessageOf<ConfigError>([&] { MergedResult(one); }), "two workers or more"));
}

TEST(UtcText, IsReadBackAndNothingElseIs) {
  const UtcTime time(milliseconds(1'767'225'600'042));
  EXPECT_EQ(UtcText(time), "2026-01-01T00:00:00.042Z");
  EXPECT_EQ(ParseUtc("2026-01-01T00:00:00.042Z"), time);
  for (const char* text : {"", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.42Z", "yesterday",
                           "2026-01-01T00:00:00.0420Z", "2026-02-31T00:00:00.000Z"}) {
    EXPECT_FALSE(ParseUtc(text)) << text;
  }
}

}  // namespace
}  // namespace tandem
