#pragma once
// Finds the data of server-sent events (https://html.spec.whatwg.org/#event-stream-interpretation)
// in a body that comes in pieces. An event that is whole inside a piece is not copied; others are
// put together in memory that is kept. Comments and other fields are skipped. One owner, one
// thread.

#include <cstddef>
#include <string>
#include <string_view>

namespace tandem {

class EventReader {
 public:
  static constexpr size_t kMaxLineBytes = 4 << 20;

  void Restart() { line_.clear(); }

  // Calls on_data(std::string_view) for each line of data. False when a line exceeds the limit.
  template <typename OnData>
  bool Feed(std::string_view piece, OnData&& on_data) {
    while (!piece.empty()) {
      const size_t end = piece.find('\n');
      if (end == piece.npos) {
        if (line_.size() + piece.size() > kMaxLineBytes) return false;
        line_.append(piece);
        return true;
      }
      if (line_.empty()) {
        TakeLine(piece.substr(0, end), on_data);
      } else {
        line_.append(piece.substr(0, end));
        TakeLine(line_, on_data);
        line_.clear();
      }
      piece.remove_prefix(end + 1);
    }
    return true;
  }

 private:
  template <typename OnData>
  static void TakeLine(std::string_view line, OnData&& on_data) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with("data:")) return;
    line.remove_prefix(5);
    if (line.starts_with(' ')) line.remove_prefix(1);
    on_data(line);
  }

  std::string line_;  // begun in an earlier piece
};

}  // namespace tandem
