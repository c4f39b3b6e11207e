#include "engine/base/log.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "engine/base/printable.h"

namespace tandem {
namespace {

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

// Values that need no quotes: what a reader splits at is not in them, and nothing was escaped.
bool IsPlain(std::string_view value) {
  if (value.empty()) return false;
  for (char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte >= 0x7f || c == '"' || c == '=' || c == '\\') return false;
  }
  return value.size() <= kMaxPrintableBytes;
}

std::string Line(std::string_view event, Logger::Fields fields) {
  std::string line(event);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key();
    line += '=';
    line += field.FormatValue();
  }
  return line;
}

}  // namespace

std::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      return "off";
  }
  return "?";
}

std::string LogField::FormatValue() const {
  if (const auto* text = std::get_if<std::string_view>(&value_)) {
    return IsPlain(*text) ? std::string(*text) : Quoted(*text);
  }
  if (const auto* number = std::get_if<int64_t>(&value_)) return fmt::format("{}", *number);
  if (const auto* number = std::get_if<uint64_t>(&value_)) return fmt::format("{}", *number);
  if (const auto* number = std::get_if<double>(&value_)) return fmt::format("{:.6g}", *number);
  return std::get<bool>(value_) ? "true" : "false";
}

struct Logger::Sink {
  Sink(LogLevel minimum, spdlog::sink_ptr target) : logger("tandem", std::move(target)) {
    logger.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc, "\n"));
    logger.set_level(SpdlogLevel(minimum));
  }
  spdlog::logger logger;
};

Logger::Logger(LogLevel minimum)
    : sink_(std::make_unique<Sink>(minimum, std::make_shared<spdlog::sinks::stderr_sink_mt>())) {}

Logger::Logger(LogLevel minimum, std::ostream& out)
    : sink_(std::make_unique<Sink>(
          minimum, std::make_shared<spdlog::sinks::ostream_sink_mt>(out, /*force_flush=*/true))) {}

Logger::~Logger() = default;

void Logger::Log(LogLevel level, std::string_view event, Fields fields) {
  if (!Enabled(level)) return;
  const std::string line = Line(event, fields);
  sink_->logger.log(SpdlogLevel(level), spdlog::string_view_t(line.data(), line.size()));
}

bool Logger::Enabled(LogLevel level) const {
  return level != LogLevel::kOff && sink_->logger.should_log(SpdlogLevel(level));
}

void Logger::SetLevel(LogLevel minimum) { sink_->logger.set_level(SpdlogLevel(minimum)); }

}  // namespace tandem
