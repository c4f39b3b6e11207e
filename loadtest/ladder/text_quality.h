#pragma once
// How well a served model predicts a fixed text: bits per byte, from the log-probabilities of an
// echoed prompt. The text goes in pieces that fit any context, so the figure compares settings of
// one model with each other; `tandem-train evaluate`, with longer contexts, is what compares
// models. One thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loadtest/http/connection.h"
#include "loadtest/http/server_url.h"

namespace tandem {

struct EchoScore {
  double nats = 0.0;  // sum of -log p
  int64_t num_tokens = 0;
  int64_t num_bytes = 0;  // of these tokens: the first of a piece may have no probability

  double bits_per_byte() const;  // 0 when empty
  void Add(const EchoScore& other);
};

// Cut behind white space where there is any, never inside a character; each at most `max_bytes`,
// which is at least 4. FormatError, naming `where`, when it is empty or not UTF-8.
std::vector<std::string> TextPieces(std::string_view text, size_t max_bytes,
                                    const std::string& where);

// Of the answer to an echo of `piece` with logprobs. FormatError when it is none.
EchoScore ScoreOfEcho(std::string_view answer, std::string_view piece);

struct ScoredServer {
  const ServerUrl& url;
  const std::string& model;
  int64_t max_model_len = 0;  // tokens; 0: not known
};

// Asks for all pieces, one after the other; blocks in the io_context. DeviceError, with what the
// server said, when it did not answer one.
EchoScore ScoreText(boost::asio::io_context& io, const ScoredServer& server, std::string_view text,
                    const std::string& where);

}  // namespace tandem
