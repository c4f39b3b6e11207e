#include "loadtest/report/utc_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

namespace tandem {

using std::chrono::milliseconds;

std::string UtcText(UtcTime time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(time)),
                     time.time_since_epoch().count() % 1000);
}

std::string UtcNow() {
  return UtcText(std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()));
}

std::optional<UtcTime> ParseUtc(const std::string& text) {
  std::tm parts{};
  const char* const rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S.", &parts);
  if (rest == nullptr) return std::nullopt;
  int fraction = 0;
  for (const char* digit = rest; digit < rest + 3 && *digit >= '0' && *digit <= '9'; ++digit) {
    fraction = 10 * fraction + (*digit - '0');
  }
  const UtcTime time(std::chrono::seconds(::timegm(&parts)) + milliseconds(fraction));
  // Whatever was read in another way than it is written was of another form.
  return UtcText(time) == text ? std::optional(time) : std::nullopt;
}

}  // namespace tandem
