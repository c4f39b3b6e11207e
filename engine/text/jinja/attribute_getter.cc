#include "engine/text/jinja/attribute_getter.h"

#include <algorithm>

#include "engine/text/jinja/characters.h"

namespace tandem::jinja {

AttributeGetter::AttributeGetter(Interpreter& interpreter, const Value* attribute)
    : interpreter_(interpreter) {
  if (attribute == nullptr || attribute->IsNone()) return;
  if (!attribute->IsText()) {
    path_.push_back(*attribute);
    return;
  }
  const std::string& name = attribute->AsText();
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    const bool is_number = !part.empty() && part.size() < 10 &&
                           part.find_first_not_of("0123456789") == std::string::npos;
    path_.push_back(is_number ? Value::Of(int64_t{std::stol(part)}) : Value::Of(part));
    begin = end + 1;
  }
}

Value AttributeGetter::Get(const Value& value) const {
  Value item = value;
  for (const Value& key : path_) {
    interpreter_.budget().Step();
    item = GetItem(interpreter_, item, key);
    if (item.IsUndefined() && default_ != nullptr) item = *default_;
  }
  return item;
}

Value IgnoringCase(Budget& budget, const Value& value) {
  if (!value.IsText()) return value;
  budget.Scan(value.AsText().size());
  return budget.NewText(Lower(value.AsText()));
}

}  // namespace tandem::jinja
