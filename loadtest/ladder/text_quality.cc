#include "loadtest/ladder/text_quality.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>
#include <numbers>

#include "engine/base/json.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"
#include "loadtest/http/answer_scan.h"
#include "loadtest/http/fetch.h"
#include "loadtest/http/request_message.h"

namespace tandem {
namespace {

constexpr size_t kPieceBytes = 1000;  // some 250 tokens, and never more than so many
constexpr int64_t kSpareTokens = 8;   // what a tokenizer may put in front
constexpr std::chrono::seconds kLongest(120);

size_t CheckedUtf8(std::string_view text, size_t at, const std::string& where) {
  const size_t size = Utf8SequenceBytes(text.substr(at));
  if (size > 0) return size;
  throw FormatError(
      fmt::format("{} is not UTF-8 at byte {}; give a text file", Printable(where), at));
}

// How many bytes the first `num_characters` of valid UTF-8 are.
size_t BytesOfCharacters(std::string_view text, int64_t num_characters) {
  size_t at = 0;
  for (int64_t i = 0; i < num_characters && at < text.size(); ++i) {
    at += std::max<size_t>(Utf8SequenceBytes(text.substr(at)), 1);
  }
  return std::min(at, text.size());
}

size_t PieceBytes(int64_t max_model_len) {
  if (max_model_len <= 0) return kPieceBytes;
  const int64_t fits = std::max<int64_t>(max_model_len - kSpareTokens, 4);
  return std::min(kPieceBytes, static_cast<size_t>(fits));
}

EchoScore ScorePiece(boost::asio::io_context& io, ConnectionSource& connections,
                     const ScoredServer& server, const std::string& piece) {
  const nlohmann::json body = {{"model", server.model}, {"prompt", piece}, {"max_tokens", 0},
                               {"echo", true},          {"logprobs", 0},   {"temperature", 0}};
  const std::string request = RequestMessage(
      {.url = server.url, .path = "/v1/completions", .api_key = "", .request_id = ""}, body.dump());
  const FetchedAnswer answer = Fetch(io, connections, request, kLongest);
  if (answer.status == 200) return ScoreOfEcho(answer.body, piece);
  const std::string_view message = ScanAnswer(answer.body).message;
  throw DeviceError(fmt::format("the text was not scored: {}",
                                answer.status == 0
                                    ? Printable(answer.reason)
                                    : fmt::format("{} {}", answer.status, Printable(message))));
}

}  // namespace

double EchoScore::bits_per_byte() const {
  return num_bytes == 0 ? 0.0 : nats / std::numbers::ln2 / static_cast<double>(num_bytes);
}

void EchoScore::Add(const EchoScore& other) {
  nats += other.nats;
  num_tokens += other.num_tokens;
  num_bytes += other.num_bytes;
}

std::vector<std::string> TextPieces(std::string_view text, size_t max_bytes,
                                    const std::string& where) {
  if (text.empty()) throw FormatError(Printable(where) + " is empty; give a text to be scored");
  std::vector<std::string> pieces;
  size_t begin = 0;
  size_t space_end = 0;  // behind the last white space of the piece
  for (size_t at = 0; at < text.size();) {
    const size_t size = CheckedUtf8(text, at, where);
    if (at + size - begin > max_bytes) {
      const size_t end = space_end > begin ? space_end : at;
      pieces.emplace_back(text.substr(begin, end - begin));
      begin = end;
    }
    at += size;
    if (text[at - 1] == ' ' || text[at - 1] == '\n') space_end = at;
  }
  pieces.emplace_back(text.substr(begin));
  return pieces;
}

EchoScore ScoreOfEcho(std::string_view answer, std::string_view piece) {
  const std::string where = "the answer to an echo";
  const Json json = ParseJson(answer, where);
  const Json::json_pointer list("/choices/0/logprobs");
  if (!json.contains(list) || !json[list].is_object()) {
    throw FormatError(where + " has no logprobs; the server must know echo with logprobs");
  }
  const Json& logprobs = json[list];
  const Json& values = logprobs.value("token_logprobs", Json::array());
  const Json& offsets = logprobs.value("text_offset", Json::array());
  EchoScore score;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!values[i].is_number()) continue;
    if (score.num_tokens == 0 && i < offsets.size() && offsets[i].is_number_integer()) {
      const size_t unscored = BytesOfCharacters(piece, offsets[i].get<int64_t>());
      score.num_bytes = static_cast<int64_t>(piece.size() - unscored);
    }
    score.nats -= values[i].get<double>();
    ++score.num_tokens;
  }
  if (score.num_tokens == 0) throw FormatError(where + " has no log-probability");
  return score;
}

EchoScore ScoreText(boost::asio::io_context& io, const ScoredServer& server, std::string_view text,
                    const std::string& where) {
  ConnectionPool connections(io, server.url, TlsCheck::kVerify);
  EchoScore sum;
  for (const std::string& piece : TextPieces(text, PieceBytes(server.max_model_len), where)) {
    sum.Add(ScorePiece(io, connections, server, piece));
  }
  return sum;
}

}  // namespace tandem
