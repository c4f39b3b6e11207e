#pragma once
// Builds a Json value from the parser's events and enforces the limits as they come, so that a
// hostile text is refused at the byte where it exceeds one. Used by ParseJson only; lives for one
// parse. JsonErrorReason serves other readers of the parser's events too.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/base/json.h"

namespace tandem {

// The library's message without its "[json.exception...] parse error at line 1, column 2: " prefix.
std::string JsonErrorReason(const std::string& message);

class JsonBuilder final : public nlohmann::json_sax<Json> {
 public:
  JsonBuilder(const std::string& where, const JsonLimits& limits)
      : where_(where), limits_(limits) {}

  Json Take() { return std::move(root_); }

  bool null() override { return Put(Json()); }
  bool boolean(bool value) override { return Put(Json(value)); }
  bool number_integer(number_integer_t value) override { return Put(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Put(Json(value)); }
  bool number_float(number_float_t value, const string_t& text) override;
  bool string(string_t& value) override { return Put(Json(std::move(value))); }
  bool binary(binary_t& value) override;
  bool start_object(std::size_t size) override;
  bool key(string_t& name) override;
  bool end_object() override { return Close(); }
  bool start_array(std::size_t size) override;
  bool end_array() override { return Close(); }
  bool parse_error(std::size_t offset, const std::string& token,
                   const nlohmann::detail::exception& error) override;

 private:
  bool Put(Json value);
  bool Open(Json container);
  bool Close();
  Json* Attach(Json value);
  [[noreturn]] void Fail(const std::string& what) const;

  const std::string& where_;
  const JsonLimits& limits_;
  Json root_;
  std::vector<Json*> open_;  // containers that enclose the next value; stable: see Attach
  std::string name_;         // of the next value, inside an object
  size_t num_values_ = 0;
};

}  // namespace tandem
