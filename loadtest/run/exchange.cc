#include "loadtest/run/exchange.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "loadtest/http/answer_scan.h"

namespace tandem {
namespace {

constexpr size_t kMaxBodyBytes = 64 << 20;
constexpr size_t kMaxReasonBytes = 300;

Outcome OutcomeOfStatus(int status) {
  if (status == 429) return Outcome::kTooMany;
  if (status == 503) return Outcome::kUnavailable;
  return status < 500 ? Outcome::kBadRequest : Outcome::kServerError;
}

}  // namespace

Exchange::~Exchange() {
  if (connection_ != nullptr) connection_->Close();
}

void Exchange::Start(ExchangeStart start) {
  ask_ = std::move(start);
  response_.Restart();
  events_.Restart();
  gaps_.clear();
  text_.clear();
  token_ids_.clear();
  body_.clear();
  reason_.clear();
  last_output_ = first_choice_ = Offset{};
  num_outputs_ = 0;
  was_retried_ = is_cut_ = has_ended_ = has_error_ = false;
  is_running_ = true;
  record_ = {.scheduled = ask_.scheduled, .sent = clock_.Now(), .class_index = ask_.class_index};
  connection_ = connections_.Take();
  connection_->Send(ask_.request, this);
}

void Exchange::Cut(Outcome outcome) {
  read_at_ = clock_.Now();
  Finish(outcome);
}

void Exchange::OnBytes(std::string_view bytes) {
  read_at_ = clock_.Now();
  const size_t taken = response_.Feed(bytes, *this);
  if (is_cut_) return Finish(Outcome::kCancelled);
  switch (response_.state()) {
    case ResponseReader::State::kIncomplete:
      return;
    case ResponseReader::State::kMalformed:
      reason_ = "what came is not an HTTP response, or exceeds a limit";
      return Finish(Outcome::kBroken);
    case ResponseReader::State::kComplete:
      break;
  }
  if (response_.keeps_alive() && taken == bytes.size()) {
    connections_.Give(std::move(connection_));
    connection_ = nullptr;
  }
  Complete();
}

void Exchange::OnEnd(ClientConnection::End end, const std::string& reason) {
  read_at_ = clock_.Now();
  // A server may close an idle connection at the moment at which we use it: once more then.
  const bool was_idle = connection_->num_requests() > 1;
  if (end != ClientConnection::End::kNotConnected && was_idle && !response_.has_started() &&
      !was_retried_) {
    was_retried_ = true;
    connection_ = connections_.Make();
    connection_->Send(ask_.request, this);
    return;
  }
  reason_ = reason;
  if (end == ClientConnection::End::kNotConnected) return Finish(Outcome::kRefused);
  response_.FeedEnd();
  if (end == ClientConnection::End::kClosed &&
      response_.state() == ResponseReader::State::kComplete) {
    return Complete();
  }
  Finish(Outcome::kBroken);
}

void Exchange::OnHead(const ResponseReader& reader) {
  record_.status = reader.status();
  record_.is_streamed = reader.status() == 200 && reader.is_event_stream();
}

void Exchange::OnBody(std::string_view piece) {
  if (is_cut_) return;
  if (!record_.is_streamed) {
    body_.append(piece.substr(0, kMaxBodyBytes - std::min(kMaxBodyBytes, body_.size())));
    return;
  }
  if (!events_.Feed(piece, [this](std::string_view data) { OnEvent(data); })) {
    has_error_ = true;
    reason_ = "an event of the stream exceeds 4 MiB";
  }
}

void Exchange::OnEvent(std::string_view data) {
  if (is_cut_) return;
  if (data == "[DONE]") {
    has_ended_ = true;
    return;
  }
  const AnswerScan scan = ScanAnswer(data);
  if (scan.has_error || !scan.is_json) {
    has_error_ = true;
    reason_ = scan.message.empty() ? data.substr(0, kMaxReasonBytes) : scan.message;
    return;
  }
  if (scan.has_choice) {
    if (first_choice_ == Offset{}) first_choice_ = read_at_;
    record_.end = read_at_;
  }
  if (scan.has_finish) has_ended_ = true;
  TakeUsage(scan);
  TakeTokenIds(scan.token_ids);
  if (!scan.has_text && scan.token_ids.empty()) return;
  if (ask_.keeps_text) text_ += scan.text;
  CountOutput();
}

void Exchange::TakeUsage(const AnswerScan& scan) {
  if (scan.prompt_tokens) record_.num_input_tokens = *scan.prompt_tokens;
  if (scan.cached_tokens) record_.num_cached_tokens = *scan.cached_tokens;
  if (!scan.completion_tokens) return;
  record_.num_output_tokens = *scan.completion_tokens;
  record_.has_usage = true;
}

// "17, 4". What is no number ends the list: it is not trusted to be one.
void Exchange::TakeTokenIds(std::string_view list) {
  while (!list.empty()) {
    int64_t id = 0;
    const auto [end, error] = std::from_chars(list.data(), list.data() + list.size(), id);
    if (error != std::errc()) return;
    token_ids_.push_back(id);
    list.remove_prefix(static_cast<size_t>(end - list.data()));
    list.remove_prefix(std::min(list.find_first_not_of(", "), list.size()));
  }
}

void Exchange::CountOutput() {
  if (num_outputs_++ == 0) {
    record_.first_output = read_at_;
  } else {
    const int64_t gap =
        std::chrono::duration_cast<std::chrono::microseconds>(read_at_ - last_output_).count();
    gaps_.push_back(
        static_cast<uint32_t>(std::min<int64_t>(gap, std::numeric_limits<uint32_t>::max())));
  }
  last_output_ = read_at_;
  owner_.OnOutput(read_at_);
  if (ask_.cancel_after > 0 && num_outputs_ >= ask_.cancel_after) is_cut_ = true;
}

void Exchange::Complete() {
  if (record_.status != 200) {
    const AnswerScan scan = ScanAnswer(body_);
    reason_ = std::string(scan.message.empty() ? std::string_view(body_).substr(0, kMaxReasonBytes)
                                               : scan.message);
    return Finish(OutcomeOfStatus(record_.status));
  }
  Finish(OutcomeOfWhole());
}

Outcome Exchange::OutcomeOfWhole() {
  if (record_.is_streamed) {
    if (has_error_) return Outcome::kStreamError;
    if (!has_ended_ || first_choice_ == Offset{}) {
      reason_ = "the stream ended without a finish reason and without [DONE]";
      return Outcome::kBroken;
    }
    if (num_outputs_ == 0) record_.first_output = first_choice_;
    if (!record_.has_usage) record_.num_output_tokens = num_outputs_;
    return Outcome::kCompleted;
  }
  const AnswerScan scan = ScanAnswer(body_);
  if (!scan.is_json) {
    reason_ = "the answer is not JSON";
    return Outcome::kBroken;
  }
  TakeUsage(scan);
  TakeTokenIds(scan.token_ids);
  if (ask_.keeps_text) text_ = scan.text;
  record_.end = read_at_;
  return Outcome::kCompleted;
}

void Exchange::Finish(Outcome outcome) {
  if (connection_ != nullptr) connection_->Close();
  connection_ = nullptr;
  record_.outcome = outcome;
  if (outcome != Outcome::kCompleted) record_.end = read_at_;
  is_running_ = false;
  owner_.OnDone(*this);
}

}  // namespace tandem
