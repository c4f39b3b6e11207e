#pragma once
// Stop strings in a stream: text that could be the beginning of a stop string is held back until it
// is decided. One object a sequence, one thread.

#include <string>
#include <string_view>
#include <vector>

namespace tandem {

class StopMatcher {
 public:
  // Empty strings are ignored. include_stop: the matched string is part of the output.
  explicit StopMatcher(std::vector<std::string> stops, bool include_stop = false);

  struct Step {
    std::string text;      // safe to emit now
    bool stopped = false;  // a stop string was completed; `text` ends before (or with) it
    std::string matched;   // which one
  };
  // After `stopped`, further calls return nothing. The earliest match wins, then the longest at its
  // place; so a match waits while a longer one, or one that begins earlier, may still complete.
  Step Push(std::string_view text);
  // The end came: what was held back. A match that was waiting counts now: see stopped().
  std::string Finish();

  bool stopped() const { return stopped_; }
  const std::string& matched() const { return matched_; }  // empty until stopped

 private:
  struct Verdict {
    const std::string* matched = nullptr;  // this stop string stands here
    bool undecided = false;                // more text is needed to say
  };
  // What stands at the front of `rest`; at the end nothing is undecided.
  Verdict Judge(std::string_view rest, bool at_end) const;
  Step Advance(bool at_end);

  std::vector<std::string> stops_;  // longest first
  bool include_stop_;
  bool stopped_ = false;
  std::string matched_;
  std::string held_;  // begins where a stop string may begin
};

}  // namespace tandem
