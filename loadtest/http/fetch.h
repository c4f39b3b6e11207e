#pragma once
// One request and its whole answer, for what is not measured. Blocks in the io_context, whose other
// handlers run meanwhile. One thread.

#include <chrono>
#include <string>
#include <string_view>

#include "loadtest/http/connection.h"

namespace tandem {

struct FetchedAnswer {
  int status = 0;  // 0: there is no whole answer
  std::string body;
  std::string reason;  // why there is none, from outside
};

// The connection is a new one and closed afterwards.
FetchedAnswer Fetch(boost::asio::io_context& io, ConnectionSource& connections,
                    std::string_view request, std::chrono::seconds longest);

}  // namespace tandem
