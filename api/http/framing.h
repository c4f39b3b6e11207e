#pragma once
// Checks of a request's head that decide where its body ends. Pure functions; the rules are RFC
// 9112 sections 5 and 6, taken strictly.

#include <optional>
#include <string_view>

#include "api/http/limits.h"
#include "api/http/message.h"

namespace tandem {

// Over the first bytes of a request, as far as they have come: refuses what cannot become a request
// (TLS, HTTP/0.9, lines that end in a bare LF) and targets that are too long.
std::optional<HttpFault> CheckRequestLine(std::string_view input, const HttpLimits& limits);

// Over the bytes as sent: no bare CR or LF, no NUL, no folded header lines.
std::optional<HttpFault> CheckRawHead(std::string_view head);

// Over the parsed headers.
std::optional<HttpFault> CheckFraming(const HttpRequest& request, const HttpLimits& limits);

}  // namespace tandem
