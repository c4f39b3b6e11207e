#include "loadtest/http/response_reader.h"

#include <algorithm>
#include <charconv>

namespace tandem {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool IsWord(std::string_view text, std::string_view lower_case) {
  return std::ranges::equal(text, lower_case, {}, Lower);
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

template <typename Number>
bool ParseWhole(std::string_view text, Number& number, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

void ResponseReader::Restart() {
  state_ = State::kIncomplete;
  part_ = Part::kHead;
  line_.clear();
  head_bytes_ = 0;
  num_left_ = 0;
  status_ = 0;
  has_started_ = false;
  keeps_alive_ = true;
  is_event_stream_ = false;
  is_chunked_ = false;
  has_length_ = false;
}

size_t ResponseReader::FeedLine(std::string_view bytes) {
  const size_t end = bytes.find('\n');
  const size_t size = end == bytes.npos ? bytes.size() : end + 1;
  if (line_.size() + size > kMaxHeadBytes) {
    Fail();
    return size;
  }
  line_.append(bytes.substr(0, size));
  return size;
}

size_t ResponseReader::Feed(std::string_view bytes, Sink& sink) {
  size_t taken = 0;
  while (taken < bytes.size() && state_ == State::kIncomplete) {
    has_started_ = true;
    const std::string_view rest = bytes.substr(taken);
    if (part_ == Part::kLength || part_ == Part::kUntilEnd || part_ == Part::kChunk) {
      taken += FeedBody(rest, sink);
      continue;
    }
    taken += FeedLine(rest);
    if (state_ != State::kIncomplete || !HasLine()) break;
    const bool is_empty = Trimmed(std::string_view(line_).substr(0, line_.size() - 1)).empty();
    if (part_ == Part::kHead) {
      TakeHeadLine(sink);
    } else if (part_ == Part::kChunkSize) {
      TakeChunkSize();
    } else if (part_ == Part::kChunkEnd) {
      if (is_empty) {
        part_ = Part::kChunkSize;
      } else {
        Fail();
      }
    } else if (is_empty) {  // of the trailer
      state_ = State::kComplete;
    }
    line_.clear();
  }
  return taken;
}

void ResponseReader::FeedEnd() {
  if (state_ != State::kIncomplete) return;
  keeps_alive_ = false;
  state_ = part_ == Part::kUntilEnd ? State::kComplete : State::kMalformed;
}

void ResponseReader::TakeHeadLine(Sink& sink) {
  head_bytes_ += line_.size();
  const std::string_view line = Trimmed(std::string_view(line_).substr(0, line_.size() - 1));
  if (head_bytes_ > kMaxHeadBytes) {
    Fail();
  } else if (status_ == 0) {
    ReadStatusLine(line);
  } else if (line.empty()) {
    EndHead(sink);
  } else {
    ReadHeader(line);
  }
}

void ResponseReader::ReadStatusLine(std::string_view line) {
  const bool is_http = line.starts_with("HTTP/1.") && line.size() >= 12 && line[8] == ' ';
  if (!is_http || !ParseWhole(line.substr(9, 3), status_, 10) || status_ < 100) {
    Fail();
    return;
  }
  keeps_alive_ = line[7] != '0';
}

void ResponseReader::ReadHeader(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == line.npos) return Fail();
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = Trimmed(line.substr(colon + 1));
  if (IsWord(name, "content-length")) {
    if (has_length_ || !ParseWhole(value, num_left_, 10)) return Fail();
    has_length_ = true;
  } else if (IsWord(name, "transfer-encoding")) {
    if (!IsWord(value, "chunked")) return Fail();
    is_chunked_ = true;
  } else if (IsWord(name, "connection")) {
    if (IsWord(value, "close")) keeps_alive_ = false;
    if (IsWord(value, "keep-alive")) keeps_alive_ = true;
  } else if (IsWord(name, "content-type")) {
    is_event_stream_ = IsWord(Trimmed(value.substr(0, value.find(';'))), "text/event-stream");
  }
}

void ResponseReader::EndHead(Sink& sink) {
  if (status_ < 200) {  // interim: the answer is still to come
    const size_t kept = head_bytes_;
    Restart();
    has_started_ = true;
    head_bytes_ = kept;
    return;
  }
  if (is_chunked_ && has_length_) return Fail();  // whose end is it? (request smuggling)
  sink.OnHead(*this);
  if (status_ == 204 || status_ == 304) {
    state_ = State::kComplete;
  } else if (is_chunked_) {
    part_ = Part::kChunkSize;
  } else if (has_length_) {
    part_ = Part::kLength;
    if (num_left_ == 0) state_ = State::kComplete;
  } else {
    keeps_alive_ = false;
    part_ = Part::kUntilEnd;
  }
}

void ResponseReader::TakeChunkSize() {
  std::string_view text = std::string_view(line_).substr(0, line_.size() - 1);
  text = Trimmed(text.substr(0, text.find(';')));
  if (!ParseWhole(text, num_left_, 16)) return Fail();
  part_ = num_left_ == 0 ? Part::kTrailer : Part::kChunk;
}

size_t ResponseReader::FeedBody(std::string_view bytes, Sink& sink) {
  if (part_ == Part::kUntilEnd) {
    sink.OnBody(bytes);
    return bytes.size();
  }
  const auto size = static_cast<size_t>(std::min<uint64_t>(num_left_, bytes.size()));
  num_left_ -= size;
  sink.OnBody(bytes.substr(0, size));
  if (num_left_ == 0) {
    if (part_ == Part::kLength) {
      state_ = State::kComplete;
    } else {
      part_ = Part::kChunkEnd;
    }
  }
  return size;
}

}  // namespace tandem
