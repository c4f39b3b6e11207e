#pragma once
// Structured log: one event per line, then key=value pairs, the request's id first where there is
// one.
//
//   log.Info("listening", {{"host", host}, {"port", port}});
//   2026-01-01T00:00:00.000Z info listening host=127.0.0.1 port=8000
//
// main makes one Logger and passes it by reference. Any thread may write; a line is never torn.
// Values from outside cannot break a line or drive a terminal: they are quoted and escaped.

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace tandem {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };

std::string_view Name(LogLevel level);

// Borrows strings: a field lives no longer than the call that logs it.
class LogField {
 public:
  LogField(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  LogField(std::string_view key, const char* value) : key_(key), value_(std::string_view(value)) {}
  LogField(std::string_view key, const std::string& value)
      : key_(key), value_(std::string_view(value)) {}
  template <std::integral T>
  LogField(std::string_view key, T value) : key_(key), value_(Widened(value)) {}
  template <std::floating_point T>
  LogField(std::string_view key, T value) : key_(key), value_(static_cast<double>(value)) {}

  std::string_view key() const { return key_; }
  std::string FormatValue() const;

 private:
  using Value = std::variant<std::string_view, int64_t, uint64_t, double, bool>;
  template <std::integral T>
  static Value Widened(T value) {
    if constexpr (std::same_as<T, bool>) {
      return value;
    } else if constexpr (std::signed_integral<T>) {
      return static_cast<int64_t>(value);
    } else {
      return static_cast<uint64_t>(value);
    }
  }

  std::string_view key_;
  Value value_;
};

class Logger {
 public:
  // Writes lines of `minimum` and above to standard error.
  explicit Logger(LogLevel minimum);
  // The same to a stream that outlives the logger.
  Logger(LogLevel minimum, std::ostream& out);
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  using Fields = std::initializer_list<LogField>;
  // `event` and keys are our own words; only values may come from outside.
  void Log(LogLevel level, std::string_view event, Fields fields = {});
  void Debug(std::string_view event, Fields fields = {}) { Log(LogLevel::kDebug, event, fields); }
  void Info(std::string_view event, Fields fields = {}) { Log(LogLevel::kInfo, event, fields); }
  void Warning(std::string_view event, Fields fields = {}) {
    Log(LogLevel::kWarning, event, fields);
  }
  void Error(std::string_view event, Fields fields = {}) { Log(LogLevel::kError, event, fields); }

  bool Enabled(LogLevel level) const;
  void SetLevel(LogLevel minimum);

 private:
  struct Sink;
  std::unique_ptr<Sink> sink_;
};

}  // namespace tandem
