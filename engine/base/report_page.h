#pragma once
// A page of tables and charts (engine/base/svg_chart.h) in one HTML file that loads nothing. Pure;
// any thread.

#include <string>
#include <string_view>

namespace tandem {

// `title` is plain text, `body` markup. Classes that the style knows: `table` around a wide table,
// `facts` for a table of words, `warning`, `charts` around SVGs.
std::string ReportPage(std::string_view title, std::string_view body);

// Text from outside, as markup.
std::string MarkupOf(std::string_view text);

}  // namespace tandem
