#pragma once
// Reads HTTP/1.1 responses of a server that is not trusted, as their bytes come, and hands pieces
// of the body on without copying them. Buffers only the head and the lines between chunks, in
// memory that it keeps, so a stream of tokens allocates nothing. One owner, one thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tandem {

class ResponseReader {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    // The status is known. Interim (1xx) answers are skipped.
    virtual void OnHead(const ResponseReader& reader) = 0;
    virtual void OnBody(std::string_view piece) = 0;
  };
  enum class State : uint8_t { kIncomplete, kComplete, kMalformed };

  static constexpr size_t kMaxHeadBytes = 64 << 10;

  void Restart();  // for the next response on the connection
  // Takes bytes up to the response's end; returns how many. After kComplete and kMalformed it takes
  // none.
  size_t Feed(std::string_view bytes, Sink& sink);
  // The connection ended: completes a body that has no other end.
  void FeedEnd();

  State state() const { return state_; }
  bool has_started() const { return has_started_; }  // some byte of a response came
  int status() const { return status_; }             // 0 before the head
  bool keeps_alive() const { return keeps_alive_; }
  bool is_event_stream() const { return is_event_stream_; }

 private:
  enum class Part : uint8_t { kHead, kLength, kUntilEnd, kChunkSize, kChunk, kChunkEnd, kTrailer };

  size_t FeedLine(std::string_view bytes);  // into line_, up to and with the LF
  bool HasLine() const { return line_.ends_with('\n'); }
  void TakeHeadLine(Sink& sink);
  void ReadStatusLine(std::string_view line);
  void ReadHeader(std::string_view line);
  void EndHead(Sink& sink);
  void TakeChunkSize();
  size_t FeedBody(std::string_view bytes, Sink& sink);
  void Fail() { state_ = State::kMalformed; }

  State state_ = State::kIncomplete;
  Part part_ = Part::kHead;
  std::string line_;
  size_t head_bytes_ = 0;
  uint64_t num_left_ = 0;  // bytes of the body, or of the chunk
  int status_ = 0;
  bool has_started_ = false;
  bool keeps_alive_ = true;
  bool is_event_stream_ = false;
  bool is_chunked_ = false;
  bool has_length_ = false;
};

}  // namespace tandem
