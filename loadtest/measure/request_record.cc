#include "loadtest/measure/request_record.h"

namespace tandem {

std::string_view Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kCompleted:
      return "completed";
    case Outcome::kCancelled:
      return "cancelled";
    case Outcome::kUnfinished:
      return "unfinished";
    case Outcome::kNotSent:
      return "never sent";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kTooMany:
      return "429";
    case Outcome::kUnavailable:
      return "503";
    case Outcome::kBadRequest:
      return "4xx";
    case Outcome::kServerError:
      return "5xx";
    case Outcome::kTimeout:
      return "timeout";
    case Outcome::kBroken:
      return "broken stream";
    case Outcome::kStreamError:
      return "error in stream";
  }
  return "";
}

bool IsError(Outcome outcome) {
  return outcome != Outcome::kCompleted && outcome != Outcome::kCancelled;
}

}  // namespace tandem
