#include "engine/weights/pickle.h"

#include <fmt/format.h>

#include <bit>

#include "engine/base/printable.h"
#include "engine/weights/byte_reader.h"

namespace tandem {
namespace {

constexpr PickleElement kElements[] = {
    {"FloatStorage", 4, DType::kF32},
    {"HalfStorage", 2, DType::kF16},
    {"BFloat16Storage", 2, DType::kBf16},
    {"CharStorage", 1, DType::kI8},
    {"ByteStorage", 1, DType::kU8},
    {"IntStorage", 4, DType::kI32},
    {"LongStorage", 8, DType::kI64},
    {"DoubleStorage", 8, {}},
    {"ShortStorage", 2, {}},
    {"BoolStorage", 1, {}},
};

enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersistentId = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kEmptyList = ']',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyDict = '}',
  kEmptyTuple = ')',
  kProtocol = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

constexpr uint8_t kLastProtocol = 5;

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& where) : reader_(bytes, where) {
    if (bytes.size() > kMaxPickleBytes) {
      reader_.Fail(
          fmt::format("is {} bytes long; at most {} are read", bytes.size(), kMaxPickleBytes));
    }
  }

  Pickle Run() {
    while (true) {
      const auto opcode = reader_.Read<uint8_t>();
      if (opcode == kStop) break;
      if (!Literal(opcode) && !Container(opcode) && !Call(opcode)) {
        reader_.Fail(
            fmt::format("has the pickle instruction 0x{:02x}, which no checkpoint needs", opcode));
      }
    }
    pickle_.root = Pop();
    if (!stack_.empty() || !marks_.empty() || reader_.num_left() > 0) {
      reader_.Fail("goes on behind its end");
    }
    return std::move(pickle_);
  }

 private:
  // Instructions that push one value, and the memo. False: it is another one.
  bool Literal(uint8_t opcode) {
    switch (opcode) {
      case kProtocol:
        if (reader_.Read<uint8_t>() > kLastProtocol) reader_.Fail("is of a later pickle protocol");
        return true;
      case kFrame:
        reader_.Read<uint64_t>();
        return true;
      case kNone:
        return Push(PickleNone{});
      case kNewTrue:
        return Push(true);
      case kNewFalse:
        return Push(false);
      case kBinInt:
        return Push(int64_t{reader_.Read<int32_t>()});
      case kBinInt1:
        return Push(int64_t{reader_.Read<uint8_t>()});
      case kBinInt2:
        return Push(int64_t{reader_.Read<uint16_t>()});
      case kLong1:
        return Push(ReadLong());
      case kBinFloat:  // the one big-endian field
        return Push(std::bit_cast<double>(__builtin_bswap64(reader_.Read<uint64_t>())));
      case kShortBinUnicode:
        return PushText(reader_.Read<uint8_t>());
      case kBinUnicode:
        return PushText(reader_.Read<uint32_t>());
      case kBinUnicode8:
        return PushText(reader_.Read<uint64_t>());
      case kMemoize:
        return Put(memo_.size());
      case kBinPut:
        return Put(reader_.Read<uint8_t>());
      case kLongBinPut:
        return Put(reader_.Read<uint32_t>());
      case kBinGet:
        return Get(reader_.Read<uint8_t>());
      case kLongBinGet:
        return Get(reader_.Read<uint32_t>());
    }
    return false;
  }

  bool Container(uint8_t opcode) {
    switch (opcode) {
      case kMark:
        if (marks_.size() >= kMaxPickleDepth) reader_.Fail("is nested too deeply");
        marks_.push_back(stack_.size());
        return true;
      case kEmptyList:
        return Push(PickleList{});
      case kEmptyDict:
        return Push(PickleDict{});
      case kEmptyTuple:
        return Push(PickleTuple{});
      case kTuple:
        return Push(PickleTuple{PopToMark()});
      case kTuple1:
        return Push(PickleTuple{PopSome(1)});
      case kTuple2:
        return Push(PickleTuple{PopSome(2)});
      case kTuple3:
        return Push(PickleTuple{PopSome(3)});
      case kAppend:
        return AppendAll(PopSome(1));
      case kAppends:
        return AppendAll(PopToMark());
      case kSetItem:
        return SetAll(PopSome(2));
      case kSetItems:
        return SetAll(PopToMark());
    }
    return false;
  }

  bool Call(uint8_t opcode) {
    switch (opcode) {
      case kGlobal: {
        const std::string_view module = reader_.TakeLine();
        return PushGlobal(module, reader_.TakeLine());
      }
      case kStackGlobal: {
        const auto names = PopSome(2);
        return PushGlobal(Expect<std::string>(names[0], "a module's name"),
                          Expect<std::string>(names[1], "a global's name"));
      }
      case kBinPersistentId:
        return PushStorage(Expect<PickleTuple>(Pop(), "a storage's description"));
      case kReduce:
        return Reduce();
      case kBuild: {
        // The attributes of a state dict ("_metadata") say nothing about its tensors.
        Pop();
        Expect<PickleDict>(Top(), "a dict");
        return true;
      }
    }
    return false;
  }

  bool Push(PickleValue value) {
    if (pickle_.values.size() >= kMaxPickleValues) reader_.Fail("has too many values");
    stack_.push_back(static_cast<PickleRef>(pickle_.values.size()));
    pickle_.values.push_back(std::move(value));
    return true;
  }

  bool PushText(uint64_t size) { return Push(std::string(reader_.Take(size))); }

  // How many values lie above the last mark.
  size_t NumOpen() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }

  PickleRef Top() {
    if (NumOpen() == 0) reader_.Fail("takes a value that is not there");
    return stack_.back();
  }

  PickleRef Pop() {
    const PickleRef top = Top();
    stack_.pop_back();
    return top;
  }

  std::vector<PickleRef> PopSome(size_t count) {
    if (NumOpen() < count) reader_.Fail("takes a value that is not there");
    std::vector<PickleRef> items(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }

  std::vector<PickleRef> PopToMark() {
    if (marks_.empty()) reader_.Fail("closes what was not opened");
    std::vector<PickleRef> items = PopSome(NumOpen());
    marks_.pop_back();
    return items;
  }

  template <typename T>
  const T& Expect(PickleRef ref, const char* what) {
    const T* value = pickle_.Find<T>(ref);
    if (value == nullptr) reader_.Fail(fmt::format("has something else instead of {}", what));
    return *value;
  }

  // Python numbers memo entries one after another, each with an instruction of its own.
  bool Put(size_t index) {
    if (index >= kMaxPickleValues) reader_.Fail(fmt::format("has memo entry {}", index));
    if (index >= memo_.size()) memo_.resize(index + 1);
    memo_[index] = Top();
    return true;
  }

  bool Get(size_t index) {
    if (index >= memo_.size() || !memo_[index]) {
      reader_.Fail(fmt::format("reads memo entry {}, which was not written", index));
    }
    stack_.push_back(*memo_[index]);
    return true;
  }

  int64_t ReadLong() {
    const auto size = reader_.Read<uint8_t>();
    if (size > 8) reader_.Fail("has an integer of more than 64 bits");
    uint64_t value = 0;
    uint8_t last = 0;
    for (uint8_t i = 0; i < size; ++i) {
      last = reader_.Read<uint8_t>();
      value |= uint64_t{last} << (8 * i);
    }
    if (size < 8 && (last & 0x80) != 0) value |= ~uint64_t{0} << (8 * size);
    return static_cast<int64_t>(value);
  }

  bool AppendAll(const std::vector<PickleRef>& items) {
    const PickleRef list = Top();
    Expect<PickleList>(list, "a list");
    auto& target = std::get<PickleList>(pickle_.values[list]).items;
    target.insert(target.end(), items.begin(), items.end());
    return true;
  }

  bool SetAll(const std::vector<PickleRef>& items) {
    const PickleRef dict = Top();
    Expect<PickleDict>(dict, "a dict");
    if (items.size() % 2 != 0) reader_.Fail("has a name without a value");
    auto& target = std::get<PickleDict>(pickle_.values[dict]).items;
    for (size_t i = 0; i < items.size(); i += 2) target.emplace_back(items[i], items[i + 1]);
    return true;
  }

  bool PushGlobal(std::string_view module, std::string_view name) {
    if (module == "collections" && name == "OrderedDict") return Push(PickleGlobal::kOrderedDict);
    if (module == "torch._utils" && name == "_rebuild_tensor_v2") {
      return Push(PickleGlobal::kRebuildTensor);
    }
    if (module == "torch._utils" && name == "_rebuild_parameter") {
      return Push(PickleGlobal::kRebuildParameter);
    }
    for (const PickleElement& element : kElements) {
      if (module == "torch" && name == element.name) return Push(element);
    }
    reader_.Fail(fmt::format("wants the global {}.{}, which no checkpoint needs",
                             Printable(module, 200), Printable(name, 200)));
  }

  // ("storage", torch.FloatStorage, key, device, number of elements)
  bool PushStorage(const PickleTuple& description) {
    if (description.items.size() != 5 ||
        Expect<std::string>(description.items[0], "a kind of object") != "storage") {
      reader_.Fail("refers to something else than a storage");
    }
    Expect<std::string>(description.items[2], "a storage's key");
    return Push(
        PickleStorage{.element = Expect<PickleElement>(description.items[1], "a storage's type"),
                      .key = description.items[2],
                      .num_elements = Expect<int64_t>(description.items[4], "a storage's size")});
  }

  bool Reduce() {
    const auto call = PopSome(2);
    const auto& arguments = Expect<PickleTuple>(call[1], "arguments").items;
    switch (Expect<PickleGlobal>(call[0], "a function")) {
      case PickleGlobal::kOrderedDict:
        if (!arguments.empty()) reader_.Fail("makes an OrderedDict from something");
        return Push(PickleDict{});
      case PickleGlobal::kRebuildTensor:
        return PushTensor(arguments);
      case PickleGlobal::kRebuildParameter:
        if (arguments.size() != 3) reader_.Fail("makes a parameter from something else");
        Expect<PickleTensor>(arguments[0], "a tensor");
        stack_.push_back(arguments[0]);
        return true;
    }
    return false;
  }

  // (storage, offset, sizes, strides, requires_grad, hooks), and in some versions metadata.
  bool PushTensor(const std::vector<PickleRef>& arguments) {
    if (arguments.size() != 6 && arguments.size() != 7) {
      reader_.Fail(fmt::format("makes a tensor from {} arguments", arguments.size()));
    }
    Expect<PickleStorage>(arguments[0], "a storage");
    Expect<PickleTuple>(arguments[2], "a tensor's shape");
    Expect<PickleTuple>(arguments[3], "a tensor's strides");
    return Push(PickleTensor{.storage = arguments[0],
                             .offset = Expect<int64_t>(arguments[1], "a tensor's offset"),
                             .sizes = arguments[2],
                             .strides = arguments[3]});
  }

  ByteReader reader_;
  Pickle pickle_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;  // the stack's size at each
  std::vector<std::optional<PickleRef>> memo_;
};

}  // namespace

Pickle ReadPickle(std::span<const std::byte> bytes, const std::string& where) {
  return Machine(bytes, where).Run();
}

}  // namespace tandem
