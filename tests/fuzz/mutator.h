#pragma once
// Deterministic mutations of seed inputs, for builds without libFuzzer: bits and bytes, insertions,
// truncations, copies of a part, splices of two seeds, and numbers that overflow something.

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

class Mutator {
 public:
  // `seeds` is not empty and outlives this.
  Mutator(const std::vector<std::string>& seeds, uint64_t seed) : seeds_(seeds), random_(seed) {}

  std::string Next() {
    std::string input = seeds_[Below(seeds_.size())];
    const size_t num_changes = 1 + Below(5);
    for (size_t i = 0; i < num_changes; ++i) Change(&input);
    if (input.size() > kMaxBytes) input.resize(kMaxBytes);
    return input;
  }

 private:
  static constexpr size_t kMaxBytes = 8192;
  static constexpr std::array<std::string_view, 16> kNumbers{"0",
                                                             "-1",
                                                             "1.5",
                                                             "2147483648",
                                                             "-2147483649",
                                                             "4294967296",
                                                             "1e5",
                                                             "1e308",
                                                             "9223372036854775807",
                                                             "9223372036854775808",
                                                             "99999999999",
                                                             "-0",
                                                             "1e-400",
                                                             "18446744073709551615",
                                                             "4194303",
                                                             "18446744073709551616"};
  static constexpr std::string_view kTokens = "{}[]\",:\\ \r\n\t#&*-%";

  // Not std::uniform_int_distribution: its sequence is the library's own.
  size_t Below(size_t bound) { return bound == 0 ? 0 : static_cast<size_t>(random_() % bound); }
  char AnyByte() { return static_cast<char>(random_() & 0xff); }

  struct Range {
    size_t begin;
    size_t size;
  };
  Range AnyRange(std::string_view text) {
    const size_t begin = Below(text.size() + 1);
    return {begin, Below(std::min<size_t>(text.size() - begin, 64) + 1)};
  }

  void Change(std::string* input) {
    const size_t at = Below(input->size());
    const Range range = AnyRange(*input);
    switch (Below(10)) {
      case 0:
        if (!input->empty()) (*input)[at] = static_cast<char>((*input)[at] ^ (1 << Below(8)));
        break;
      case 1:
        if (!input->empty()) (*input)[at] = AnyByte();
        break;
      case 2:
        if (!input->empty()) (*input)[at] = kTokens[Below(kTokens.size())];
        break;
      case 3:
        input->insert(range.begin, 1 + Below(8), AnyByte());
        break;
      case 4:
        input->insert(range.begin, 1, kTokens[Below(kTokens.size())]);
        break;
      case 5:
        input->erase(range.begin, range.size);
        break;
      case 6:
        input->resize(at);
        break;
      case 7:
        input->insert(at, input->substr(range.begin, range.size));
        break;
      case 8:
        Splice(input);
        break;
      case 9:
        ReplaceNumber(input);
        break;
    }
  }

  void Splice(std::string* input) {
    const std::string& other = seeds_[Below(seeds_.size())];
    input->resize(Below(input->size() + 1));
    input->append(other, Below(other.size() + 1));
  }

  // The run of digits at or behind a random place.
  void ReplaceNumber(std::string* input) {
    constexpr std::string_view kDigits = "0123456789";
    const size_t begin = input->find_first_of(kDigits, Below(input->size()));
    if (begin == std::string::npos) return;
    const size_t end = std::min(input->find_first_not_of(kDigits, begin), input->size());
    input->replace(begin, end - begin, kNumbers[Below(kNumbers.size())]);
  }

  const std::vector<std::string>& seeds_;
  std::mt19937_64 random_;
};

}  // namespace tandem
