#include "loadtest/report/merged_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "engine/base/printable.h"
#include "kernels/core/error.h"
#include "loadtest/report/utc_text.h"

namespace tandem {
namespace {

// Workers that are started by hand or by a script are never started at once.
constexpr double kWholeOverlap = 0.95;

// Of Unix time.
double SecondsOf(const WorkerResult& worker) {
  const auto time = ParseUtc(worker.result.started);
  if (!time) {
    throw FormatError(fmt::format("{}: started is {}, not a time such as {}", worker.name,
                                  Quoted(worker.result.started, 40), UtcText({})));
  }
  return std::chrono::duration<double>(time->time_since_epoch()).count();
}

// In which requests count.
struct Window {
  double begin = 0.0;  // seconds of Unix time
  double end = 0.0;
};

Window WindowOf(const WorkerResult& worker) {
  const double begin = SecondsOf(worker) + worker.result.warm_up_seconds;
  return {.begin = begin, .end = begin + worker.result.outcome.window_seconds};
}

[[noreturn]] void FailFor(const WorkerResult& a, const WorkerResult& b, const std::string& what) {
  throw ConfigError(fmt::format("{} and {} do not belong together: {}", a.name, b.name, what));
}

void CheckEqual(const WorkerResult& a, const WorkerResult& b, const char* what,
                const std::string& left, const std::string& right) {
  if (left == right) return;
  FailFor(a, b,
          fmt::format("{} is {} in one and {} in the other", what, Quoted(left, 300),
                      Quoted(right, 300)));
}

void CheckSameLoad(const WorkerResult& a, const WorkerResult& b) {
  const LoadResult& left = a.result;
  const LoadResult& right = b.result;
  CheckEqual(a, b, "the workload", left.workload, right.workload);
  const std::string none;
  for (size_t i = 0; i < std::max(left.described.size(), right.described.size()); ++i) {
    CheckEqual(a, b, "the workload", i < left.described.size() ? left.described[i] : none,
               i < right.described.size() ? right.described[i] : none);
  }
  CheckEqual(a, b, "the warm-up in seconds", fmt::format("{}", left.warm_up_seconds),
             fmt::format("{}", right.warm_up_seconds));
  CheckEqual(a, b, "--goodput", left.goodput, right.goodput);
  CheckEqual(a, b, "the model", left.server.model, right.server.model);
  CheckEqual(a, b, "the server's version", left.server.version, right.server.version);
  CheckEqual(a, b, "the timeline's interval in seconds",
             fmt::format("{}", left.outcome.interval_seconds),
             fmt::format("{}", right.outcome.interval_seconds));
  CheckEqual(a, b, "the number of kinds of requests", std::to_string(left.outcome.classes.size()),
             std::to_string(right.outcome.classes.size()));
}

void CheckOtherRequests(const WorkerResult& a, const WorkerResult& b) {
  if (a.result.seed != b.result.seed || a.result.salt != b.result.salt) return;
  FailFor(a, b,
          fmt::format("both have seed {} and salt {}, so they are one run, or two that sent the "
                      "same requests; run each worker with a --seed of its own",
                      Printable(a.result.seed, 40), Printable(a.result.salt, 40)));
}

// What they have, each once.
std::string Listed(std::span<const WorkerResult> workers, std::string LoadResult::*text) {
  std::vector<std::string> texts;
  for (const WorkerResult& worker : workers) {
    const std::string& own = worker.result.*text;
    if (std::ranges::find(texts, own) == texts.end()) texts.push_back(own);
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

// `overlap`: of the window, the share in which all measured.
void AddNotes(std::span<const WorkerResult> workers, double overlap, LoadResult& merged) {
  std::set<std::string> notes;
  std::set<std::string> seeds;
  for (const WorkerResult& worker : workers) {
    notes.insert(worker.result.notes.begin(), worker.result.notes.end());
    seeds.insert(worker.result.seed);
  }
  merged.notes.assign(notes.begin(), notes.end());
  if (overlap < kWholeOverlap) {
    merged.notes.push_back(fmt::format(
        "all {} workers measured together in {:.0f} % of the time only: the rates are too low, and "
        "the load was less than all of them. Start them together",
        workers.size(), 100.0 * overlap));
  }
  if (seeds.size() < workers.size()) {
    merged.notes.emplace_back(
        "workers had the same seed: their requests came at the same times. Give each a --seed of "
        "its own");
  }
}

void CheckIsOneWorker(const WorkerResult& worker) {
  if (worker.result.num_workers == 1) return;
  throw ConfigError(worker.name +
                    " is merged already; give the results of all workers themselves, at once");
}

}  // namespace

LoadResult MergedResult(std::span<const WorkerResult> workers) {
  if (workers.size() < 2) {
    throw ConfigError("merge takes the results of two workers or more, of 'run --json'");
  }
  for (size_t i = 0; i < workers.size(); ++i) {
    CheckIsOneWorker(workers[i]);
    CheckSameLoad(workers[0], workers[i]);
    for (size_t j = 0; j < i; ++j) CheckOtherRequests(workers[j], workers[i]);
  }
  const auto by_begin = [](const WorkerResult& worker) { return WindowOf(worker).begin; };
  const auto by_end = [](const WorkerResult& worker) { return WindowOf(worker).end; };
  const WorkerResult& first = *std::ranges::min_element(workers, {}, by_begin);
  const WorkerResult& last = *std::ranges::max_element(workers, {}, by_begin);
  const WorkerResult& first_over = *std::ranges::min_element(workers, {}, by_end);
  const WorkerResult& last_over = *std::ranges::max_element(workers, {}, by_end);
  const double together = by_end(first_over) - by_begin(last);
  if (together <= 0.0) {
    FailFor(first_over, last,
            fmt::format("one was over {:.1f} s before the other began to measure; merge is for "
                        "workers that ran side by side, compare for runs at different times",
                        -together));
  }
  LoadResult merged = first.result;
  for (const WorkerResult& worker : workers) {
    if (&worker == &first) continue;
    AddWorker(worker.result.outcome, SecondsOf(worker) - SecondsOf(first), merged.outcome);
    merged.offered_rate += worker.result.offered_rate;
  }
  merged.num_workers = std::ssize(workers);
  merged.url = Listed(workers, &LoadResult::url);
  merged.seed = Listed(workers, &LoadResult::seed);
  merged.salt = Listed(workers, &LoadResult::salt);
  merged.outcome.window_seconds = by_end(last_over) - by_begin(first);
  AddNotes(workers, together / merged.outcome.window_seconds, merged);
  return merged;
}

}  // namespace tandem
