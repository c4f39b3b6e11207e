#pragma once
// A template of the Jinja dialect that chat templates are written in: parsed once, rendered any
// number of times. Immutable, any thread. Jinja2 as transformers configures it is the judge of what
// a template means; tests/golden/chat holds its verdicts.

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/text/jinja/limits.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

struct Program;

// Bytes [begin, end) of a rendering.
struct TextRange {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const TextRange&) const = default;
};

struct Rendering {
  std::string text;
  std::vector<TextRange> generated;  // what {% generation %} blocks wrote, in order
};

class Template {
 public:
  // `name` stands in messages. Throws FormatError, with the line, for a template that is malformed.
  Template(std::string_view source, const std::string& name, const JinjaLimits& limits = {});
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // Throws InvalidRequest when the template raises, fails on these variables, or exceeds a limit.
  Rendering Render(const std::vector<std::pair<std::string, Value>>& variables,
                   std::chrono::system_clock::time_point now) const;

 private:
  JinjaLimits limits_;
  std::unique_ptr<const Program> program_;
};

}  // namespace tandem::jinja
