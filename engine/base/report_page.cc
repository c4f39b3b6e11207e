#include "engine/base/report_page.h"

#include <fmt/format.h>

#include "engine/base/printable.h"
#include "engine/base/svg_chart.h"

namespace tandem {
namespace {

constexpr std::string_view kPageStyle = R"(
body { margin: 2rem auto; max-width: 88rem; padding: 0 1rem; font: 16px system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(32rem, 100%), 1fr));
  gap: 1.5rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0 2rem; }
td, th { padding: 0.3rem 0.8rem; border-bottom: 1px solid var(--grid); text-align: right; }
td:first-child, th:first-child, .facts td { text-align: left; }
.warning { border-left: 4px solid var(--series-1); padding-left: 0.8rem; }
)";

}  // namespace

std::string MarkupOf(std::string_view text) { return EscapedMarkup(Printable(text)); }

std::string ReportPage(std::string_view title, std::string_view body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}</title>\n<style>\n{1}{2}</style>\n</head>\n<body>\n<h1>{0}</h1>\n{3}"
      "</body>\n</html>\n",
      MarkupOf(title), ChartStyle(), kPageStyle, body);
}

}  // namespace tandem
