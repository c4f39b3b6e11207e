#pragma once
// One request and its answer on a connection, timed. The run owns a set of them and uses each again
// when it is done, so that its memory is kept. One thread.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loadtest/http/connection.h"
#include "loadtest/http/event_reader.h"
#include "loadtest/http/response_reader.h"
#include "loadtest/measure/request_record.h"
#include "loadtest/run/run_clock.h"

namespace tandem {

struct AnswerScan;

struct ExchangeStart {
  std::string request;  // head and body
  RequestRecord::Offset scheduled{};
  RequestRecord::Offset deadline{};
  uint32_t class_index = 0;
  int64_t cancel_after = 0;  // outputs, after which we close the connection; 0: never
  bool keeps_text = false;   // the answer is wanted, for a conversation
};

class Exchange final : private ClientConnection::User, private ResponseReader::Sink {
 public:
  using Offset = RequestRecord::Offset;

  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnOutput(Offset at) = 0;  // some text of a stream came
    // It has ended, and may be started again at once.
    virtual void OnDone(Exchange& exchange) = 0;
  };

  // All three outlive it.
  Exchange(ConnectionSource& connections, Owner& owner, const RunClock& clock)
      : connections_(connections), owner_(owner), clock_(clock) {}
  Exchange(const Exchange&) = delete;
  // What still runs is dropped, and the owner not told.
  ~Exchange() override;

  void Start(ExchangeStart start);
  // Ends it now: kTimeout or kUnfinished.
  void Cut(Outcome outcome);

  bool is_running() const { return is_running_; }
  Offset deadline() const { return ask_.deadline; }
  const RequestRecord& record() const { return record_; }
  std::span<const uint32_t> gaps() const { return gaps_; }  // between outputs, microseconds
  const std::string& text() const { return text_; }         // JSON-escaped; if keeps_text
  // Of the answer so far, where the server gives them (return_token_ids).
  std::span<const int64_t> token_ids() const { return token_ids_; }
  const std::string& reason() const { return reason_; }  // of an error, from outside
  bool was_retried() const { return was_retried_; }

  uint64_t tag = 0;  // the owner's: which user or conversation it works for

 private:
  void OnBytes(std::string_view bytes) override;
  void OnEnd(ClientConnection::End end, const std::string& reason) override;
  void OnHead(const ResponseReader& reader) override;
  void OnBody(std::string_view piece) override;
  void OnEvent(std::string_view data);
  void TakeUsage(const AnswerScan& scan);
  void TakeTokenIds(std::string_view list);
  void CountOutput();
  void Complete();
  Outcome OutcomeOfWhole();
  void Finish(Outcome outcome);

  ConnectionSource& connections_;
  Owner& owner_;
  const RunClock& clock_;

  ExchangeStart ask_;
  std::shared_ptr<ClientConnection> connection_;
  ResponseReader response_;
  EventReader events_;
  bool is_running_ = false;
  bool was_retried_ = false;

  RequestRecord record_;
  std::vector<uint32_t> gaps_;
  std::string text_;
  std::vector<int64_t> token_ids_;
  std::string body_;  // of an answer that is not a stream
  std::string reason_;
  Offset read_at_{};       // when the bytes came that are being read
  Offset last_output_{};   // of the stream
  Offset first_choice_{};  // its first event with a choice, which may have no text
  int64_t num_outputs_ = 0;
  bool is_cut_ = false;     // by cancel_after
  bool has_ended_ = false;  // [DONE], or a finish reason
  bool has_error_ = false;
};

}  // namespace tandem
