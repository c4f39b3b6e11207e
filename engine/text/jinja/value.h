#pragma once
// A value of the template language, with Python's types. Strings, lists and dictionaries are
// immutable and shared, so copies are cheap and any thread may read them; what can change (a
// namespace, a loop) is an Object, lives for one rendering and belongs to its thread.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tandem::jinja {

class Budget;
class Dict;
class Interpreter;
class Object;
class Value;
struct Arguments;
struct List;
struct Text;
struct UndefinedInfo;

// In the order of the variant below.
enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kDouble,
  kText,
  kList,
  kDict,
  kObject,
};

// What Python would call the sequence. All but kList and kTuple come from built-in functions.
enum class ListKind : uint8_t { kList, kTuple, kGroup, kRange, kKeys, kValues, kItems };

class Value {
 public:
  Value() = default;  // undefined, without a name
  static Value Undefined(std::string message);
  static Value None() { return Value(Storage(NoneTag{})); }
  static Value Of(bool value) { return Value(Storage(value)); }
  static Value Of(int64_t value) { return Value(Storage(value)); }
  static Value Of(double value) { return Value(Storage(value)); }
  static Value Of(std::string text);
  static Value Of(const char* text) { return Of(std::string(text)); }
  static Value Markup(std::string text);  // already escaped for HTML
  static Value Of(std::vector<Value> items, ListKind kind = ListKind::kList);
  static Value Of(Dict dict);
  static Value Of(std::shared_ptr<const List> list);
  static Value Of(std::shared_ptr<Object> object);

  Kind kind() const { return static_cast<Kind>(storage_.index()); }
  bool IsUndefined() const { return kind() == Kind::kUndefined; }
  bool IsNone() const { return kind() == Kind::kNone; }
  bool IsBool() const { return kind() == Kind::kBool; }
  bool IsInt() const { return kind() == Kind::kInt; }
  bool IsDouble() const { return kind() == Kind::kDouble; }
  bool IsText() const { return kind() == Kind::kText; }
  bool IsList() const { return kind() == Kind::kList; }
  bool IsDict() const { return kind() == Kind::kDict; }
  bool IsObject() const { return kind() == Kind::kObject; }
  bool IsList(ListKind list_kind) const;
  bool IsIntegral() const { return IsBool() || IsInt(); }  // Python's bool is an int
  bool IsNumber() const { return IsIntegral() || IsDouble(); }

  // Each requires its kind.
  bool AsBool() const { return std::get<bool>(storage_); }
  int64_t AsInt() const { return IsBool() ? int64_t{AsBool()} : std::get<int64_t>(storage_); }
  double AsDouble() const;  // of any number
  const std::string& AsText() const;
  const Text& text() const { return *std::get<std::shared_ptr<const Text>>(storage_); }
  const List& list() const { return *std::get<std::shared_ptr<const List>>(storage_); }
  const std::shared_ptr<const List>& shared_list() const {
    return std::get<std::shared_ptr<const List>>(storage_);
  }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(storage_); }
  Object& object() const { return *std::get<std::shared_ptr<Object>>(storage_); }
  const std::shared_ptr<Object>& shared_object() const {
    return std::get<std::shared_ptr<Object>>(storage_);
  }
  // What using an undefined value fails with.
  std::string UndefinedMessage() const;

  int depth() const;             // containers inside each other; 0 for a scalar
  std::string TypeName() const;  // Python's: "str", "list", "NoneType"
  const void* identity() const;  // of a shared value; null for a scalar

 private:
  struct NoneTag {};
  using Storage = std::variant<std::shared_ptr<const UndefinedInfo>, NoneTag, bool, int64_t, double,
                               std::shared_ptr<const Text>, std::shared_ptr<const List>,
                               std::shared_ptr<const Dict>, std::shared_ptr<Object>>;
  explicit Value(Storage storage) : storage_(std::move(storage)) {}
  Storage storage_;
};

struct UndefinedInfo {
  std::string message;
};

struct Text {
  std::string bytes;  // valid UTF-8
  bool is_markup = false;
  mutable std::atomic<int64_t> num_characters = -1;  // set on first use, by any thread

  int64_t NumCharacters() const;
  bool IsAscii() const { return NumCharacters() == static_cast<int64_t>(bytes.size()); }
};

struct List {
  ListKind kind = ListKind::kList;
  int depth = 1;
  std::vector<Value> items;
};

// Keeps the order in which keys came. Keys are text, numbers, None or tuples of those.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;
  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }
  int depth() const { return depth_; }

  const Value* Find(std::string_view key) const;
  const Value* Find(Budget& budget, const Value& key) const;
  // Replaces the value of a key that is there, in its place. False when it was there.
  bool Set(std::string key, Value value);
  bool Set(Budget& budget, const Value& key, Value value);
  void Clear();

 private:
  std::optional<size_t> IndexOf(std::string_view key) const;
  std::optional<size_t> IndexOf(Budget& budget, const Value& key) const;
  bool Put(std::optional<size_t> at, Value key, Value value);

  std::vector<Entry> entries_;
  // Of the text keys, once there are more than a few. The views lie in the entries' shared text.
  std::map<std::string_view, size_t> index_;
  int depth_ = 1;
};

// A thing with identity: callable, or changing while the template runs.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string TypeName() const = 0;
  virtual std::string Repr(Budget& budget) const;
  virtual std::optional<Value> Attribute(Interpreter& interpreter, std::string_view name);
  virtual bool IsCallable() const { return false; }
  virtual Value Call(Interpreter& interpreter, Arguments& arguments);
  virtual int depth() const { return 1; }
  // Lets go of all values, at the end of a rendering: such objects may refer to each other.
  virtual void Clear() {}
};

// What a call passes.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// The object when it is of that type, else null.
template <typename Type>
Type* ObjectAs(const Value& value) {
  return value.IsObject() ? dynamic_cast<Type*>(&value.object()) : nullptr;
}

}  // namespace tandem::jinja
