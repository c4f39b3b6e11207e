#include "engine/text/jinja/filters.h"

#include <map>

namespace tandem::jinja {
namespace {

std::map<std::string_view, FilterFunction> AllFilters() {
  std::map<std::string_view, FilterFunction> all;
  for (const auto* part : {&TextFilters(), &NumberFilters(), &SequenceFilters(), &OrderFilters(),
                           &SelectionFilters()}) {
    for (const NamedFilter& filter : *part) all.emplace(filter.name, filter.function);
  }
  return all;
}

}  // namespace

FilterFunction FindFilter(std::string_view name) {
  static const std::map<std::string_view, FilterFunction> filters = AllFilters();
  const auto it = filters.find(name);
  return it == filters.end() ? nullptr : it->second;
}

}  // namespace tandem::jinja
