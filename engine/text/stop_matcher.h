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
    std::string text;           // safe to emit now
    bool stopped = false;       // a stop string was completed; `text` ends before (or with) it
    std::string matched;        // which one
  };
  // After `stopped`, further calls return nothing. The earliest match wins, then the longest.
  Step Push(std::string_view text);
  // The end came: what was held back.
  std::string Finish();

 private:
  std::vector<std::string> stops_;
  bool include_stop_;
  bool stopped_ = false;
  std::string held_;
};

}  // namespace tandem
