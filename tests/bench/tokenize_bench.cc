#include "tests/bench/tokenize_bench.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>

#include "engine/text/detokenizer.h"
#include "engine/text/tokenizer.h"
#include "engine/text/unicode.h"
#include "kernels/core/error.h"
#include "tests/bench/timing.h"

namespace tandem {
namespace {

std::vector<std::string> ReadTexts(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::string> texts;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw FormatError(path.string() + ": cannot be read");
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return texts;
}

struct Times {
  double wall;  // until every thread has run the body
  double cpu;   // of all threads together
};

// Medians of some repeats.
Times TimesOnThreads(const TokenizeBenchOptions& options, const std::function<void()>& body) {
  std::vector<double> wall, cpu;
  for (int i = 0; i < options.repeats; ++i) {
    const std::clock_t begin = std::clock();
    wall.push_back(SecondsOf([&] {
      std::vector<std::jthread> threads;
      for (int other = 1; other < options.num_threads; ++other) threads.emplace_back(body);
      body();
    }));
    cpu.push_back(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  }
  return {Median(std::move(wall)), Median(std::move(cpu))};
}

void PrintRow(const char* what, double bytes, double tokens, const Times& times) {
  std::printf("%-8s %9.2f %20.2f %14.2f\n", what, bytes / times.wall * 1e-6,
              bytes / times.cpu * 1e-6, tokens / times.cpu * 1e-6);
}

// The text of the ids, a token at a time. At every split, what came out so far must be what the
// bytes of the tokens so far decode to, but for an unfinished character.
std::string StreamAtEverySplit(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  Detokenizer detokenizer(tokenizer, /*skip_special=*/false);
  std::string text;   // streamed
  std::string bytes;  // of all tokens so far that is not yet compared
  bool at_start = true;
  for (size_t i = 0; i < ids.size(); ++i) {
    std::string_view piece = tokenizer.TokenBytes(ids[i]);
    if (at_start) piece.remove_prefix(tokenizer.DummyPrefixBytes(ids[i]));
    at_start &= piece.empty() && tokenizer.DropsEveryLeadingSpace();
    bytes += piece;
    const std::string step = detokenizer.Push(ids[i]);
    text += step;
    std::string whole;
    bytes.erase(0, AppendWholeCharacters(bytes, &whole));
    if (step != whole) {
      throw FormatError("the text streamed at token " + std::to_string(i) + " is '" + step +
                        "', and that of its bytes '" + whole + "'");
    }
  }
  text += detokenizer.Finish();
  if (text != tokenizer.Decode(ids, /*skip_special=*/false)) {
    throw FormatError("the text streamed to the end is not that of all tokens at once");
  }
  return text;
}

struct HostileText {
  const char* name;
  std::function<std::string(size_t)> make;  // of about so many bytes
};

std::string Repeat(std::string_view unit, size_t bytes) {
  std::string text;
  text.reserve(bytes + unit.size());
  while (text.size() < bytes) text += unit;
  return text;
}

std::string RandomBytes(size_t bytes) {
  std::mt19937_64 random(1);
  std::string text(bytes, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

std::vector<HostileText> ListHostileTexts() {
  auto repeat = [](std::string unit) {
    return [unit = std::move(unit)](size_t bytes) { return Repeat(unit, bytes); };
  };
  return {
      {"one letter", repeat("a")},
      {"letters", repeat("qwertyuiopasdfghjklzxcvbnm")},
      {"spaces", repeat(" ")},
      {"spaces, then a word", [](size_t bytes) { return Repeat(" ", bytes) + "x"; }},
      {"newlines", repeat("\n")},
      {"space and newline", repeat(" \n")},
      {"digits", repeat("1234567890")},
      {"signs", repeat("!")},
      {"one Chinese character", repeat("\u4e2d")},
      {"emoji joined", repeat("\U0001F469\u200D")},
      {"apostrophes", repeat("'")},
      {"marks of two classes", [](size_t bytes) { return "a" + Repeat("\u0301\u0323", bytes); }},
      {"marks, descending classes",
       [](size_t bytes) {
         return "a" + Repeat("\u0345", bytes / 2) + Repeat("\u0334", bytes / 2);
       }},
      {"Hangul letters", repeat("\u1100\u1161\u11A8")},
      {"random bytes", RandomBytes},
      {"half a special token", repeat("<|im_start|")},
      {"special tokens", repeat("<|endoftext|>")},
      {"'<'", repeat("<")},
  };
}

}  // namespace

void RunTokenizeBench(const TokenizeBenchOptions& options) {
  const auto tokenizer = LoadTokenizer(options.model);
  const std::vector<std::string> texts = ReadTexts(options.texts);
  double bytes = 0, tokens = 0;
  std::vector<std::vector<TokenId>> ids;
  for (const std::string& text : texts) {
    ids.push_back(tokenizer->Encode(text, SpecialTokens::kNone));
    bytes += static_cast<double>(text.size()) * options.num_threads;
    tokens += static_cast<double>(ids.back().size()) * options.num_threads;
  }
  std::printf("%zu texts, %.2f MB, %.2f bytes a token, %d threads\n", texts.size(),
              bytes / options.num_threads * 1e-6, bytes / tokens, options.num_threads);
  std::printf("%-8s %9s %20s %14s\n", "", "MB/s", "MB/s of CPU time", "M tokens/s");
  PrintRow("encode", bytes, tokens, TimesOnThreads(options, [&] {
             for (const auto& text : texts) tokenizer->Encode(text, SpecialTokens::kNone);
           }));
  PrintRow("decode", bytes, tokens, TimesOnThreads(options, [&] {
             for (const auto& list : ids) tokenizer->Decode(list);
           }));
}

void RunHostileTextBench(const TokenizeBenchOptions& options) {
  const auto tokenizer = LoadTokenizer(options.model);
  constexpr size_t kSmall = 1 << 18, kLarge = 1 << 20;
  std::printf("%-26s %14s %14s\n", "encode", "256 KiB, MB/s", "1 MiB, MB/s");
  for (const HostileText& hostile : ListHostileTexts()) {
    double rates[2];
    for (int i = 0; i < 2; ++i) {
      const std::string text = hostile.make(i == 0 ? kSmall : kLarge);
      const Times times =
          TimesOnThreads(options, [&] { tokenizer->Encode(text, SpecialTokens::kNone); });
      rates[i] = static_cast<double>(text.size()) * options.num_threads / times.cpu * 1e-6;
    }
    std::printf("%-26s %14.2f %14.2f\n", hostile.name, rates[0], rates[1]);
    std::fflush(stdout);
  }
}

void WriteTokenIds(const TokenizeBenchOptions& options, const std::filesystem::path& directory) {
  const auto tokenizer = LoadTokenizer(options.model);
  const std::vector<std::string> texts = ReadTexts(options.texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::filesystem::path stem = directory / std::to_string(i);
    const std::vector<TokenId> ids = tokenizer->Encode(texts[i], SpecialTokens::kNone);
    std::ofstream numbers(stem.string() + ".ids");
    for (const TokenId id : ids) numbers << id << '\n';
    std::ofstream text(stem.string() + ".txt", std::ios::binary);
    text << StreamAtEverySplit(*tokenizer, ids);
    if (!numbers.flush() || !text.flush()) throw FormatError(stem.string() + ": cannot be written");
  }
}

}  // namespace tandem
