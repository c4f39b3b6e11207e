// What the load tester reads of a server: the bytes of a response give the same state, body and
// events however they are cut, and no text makes the scan of an answer leave its bounds.

#include <string>
#include <vector>

#include "loadtest/http/answer_scan.h"
#include "loadtest/http/event_reader.h"
#include "loadtest/http/response_reader.h"
#include "tests/fuzz/fuzz_target.h"

namespace tandem {
namespace {

struct Reading final : ResponseReader::Sink {
  ResponseReader response;
  EventReader events;
  std::string body;
  std::vector<std::string> data;
  size_t num_taken = 0;

  void OnHead(const ResponseReader& reader) override { CHECK(reader.status() >= 200); }
  void OnBody(std::string_view piece) override {
    body += piece;
    events.Feed(piece, [this](std::string_view event) { data.emplace_back(event); });
  }

  void Read(std::string_view text, size_t step) {
    for (size_t at = 0; at < text.size(); at += step) {
      num_taken += response.Feed(text.substr(at, step), *this);
    }
    response.FeedEnd();
    CHECK(response.state() != ResponseReader::State::kIncomplete || text.empty());
  }
};

bool IsWithin(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void Scan(std::string_view text) {
  const AnswerScan scan = ScanAnswer(text);
  CHECK(IsWithin(scan.text, text) && IsWithin(scan.message, text) && IsWithin(scan.first_id, text));
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const std::string_view text = AsText(data, size);
  Scan(text);
  Reading whole;
  whole.Read(text, text.size() + 1);
  for (const std::string& event : whole.data) Scan(event);
  for (const size_t step : {size_t{1}, size_t{7}}) {
    Reading cut;
    cut.Read(text, step);
    CHECK(cut.response.state() == whole.response.state());
    CHECK(cut.num_taken == whole.num_taken);
    CHECK(cut.body == whole.body);
    CHECK(cut.data == whole.data);
  }
  return 0;
}
