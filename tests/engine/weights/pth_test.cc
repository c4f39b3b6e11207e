// Files of PyTorch; tests/golden/make_pth.py writes them.

#include "engine/weights/pth.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/stored_zip.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

using namespace std::string_literals;
using Strings = std::vector<std::string>;

const std::filesystem::path kGolden = TANDEM_SOURCE_DIR "/tests/golden/pth";

std::string ReadBytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string_view BytesOf(const ConstTensorView& view) {
  return {reinterpret_cast<const char*>(view.bytes()), static_cast<size_t>(view.size_bytes())};
}

void ExpectSame(const TensorTable& table, const TensorTable& expected) {
  ASSERT_EQ(table.entries().size(), expected.entries().size());
  for (const auto& [name, entry] : expected.entries()) {
    const auto* found = table.Find(name);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_EQ(found->view.dtype(), entry.view.dtype()) << name;
    EXPECT_EQ(found->view.shape(), entry.view.shape()) << name;
    EXPECT_EQ(BytesOf(found->view), BytesOf(entry.view)) << name;
  }
}

PthContents Parse(const std::string& file) {
  return ParsePth(std::as_bytes(std::span(file)), "x.pth");
}
std::string ErrorOf(const std::string& file) {
  return MessageOf<FormatError>([&] { Parse(file); });
}

// A pickle inside of an otherwise good file with a storage of 24 bytes.
std::string FileOf(const std::string& pickle) {
  return StoredZip{.members = {{"x/data.pkl", pickle}, {"x/data/0", std::string(24, '\1')}}}
      .Bytes();
}
std::string ErrorOfPickle(const std::string& pickle) { return ErrorOf(FileOf(pickle)); }

std::string Text(const std::string& text) {
  return "\x8c"s + static_cast<char>(text.size()) + text;
}

// The dict {"t": tensor} of float32 in storage 0, with these pieces of pickle.
struct TensorPickle {
  std::string elements = "K\6";
  std::string offset = "K\0"s;
  std::string sizes = "(K\2K\3t";
  std::string strides = "(K\3K\1t";
  std::string type = "ctorch\nFloatStorage\n";
  std::string key = Text("0");

  std::string Bytes() const {
    return "\x80\2}" + Text("t") + "ctorch._utils\n_rebuild_tensor_v2\n((" + Text("storage") +
           type + key + Text("cpu") + elements + "tQ" + offset + sizes + strides + "\x89}tRs.";
  }
};

TEST(Pth, ReadsWhatPyTorchWrites) {
  const TensorTable expected = ReadSafetensorsFile(kGolden / "tensors.safetensors");
  for (const char* name : {"tensors.pth", "protocol4.pth"}) {
    const PthFile file = ReadPth(kGolden / name);
    ExpectSame(file.tensors, expected);
    EXPECT_EQ(file.other_keys, Strings{});
    EXPECT_EQ(file.tensors.Find("tied")->view.bytes(), file.tensors.Find("base")->view.bytes());
    EXPECT_EQ(file.tensors.Find("row")->file, 0u);  // views of the file
    EXPECT_EQ(file.tensors.Find("columns")->file, TensorTable::kNoFile);
  }
}

TEST(Pth, TakesTheModelOfAResumeFile) {
  const PthFile file = ReadPth(kGolden / "resume.pth");
  ExpectSame(file.tensors, ReadSafetensorsFile(kGolden / "resume_model.safetensors"));
  EXPECT_EQ(file.other_keys, (Strings{"optimizer", "scheduler", "scaler", "epoch", "step",
                                      "world_size", "wandb_id", "mask"}));
}

TEST(Pth, ReadsBackWhatItWrote) {
  const TemporaryDirectory directory;
  const TensorTable table = ReadSafetensorsFile(kGolden / "tensors.safetensors");
  std::vector<NamedTensor> tensors;
  for (const auto& [name, entry] : table.entries()) tensors.push_back({name, entry.view});
  tensors.push_back({"again", tensors.front().view});
  WritePth(directory / "a.pth", tensors);
  const PthFile read = ReadPth(directory / "a.pth");
  for (const NamedTensor& tensor : tensors) {
    const auto* found = read.tensors.Find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->view.shape(), tensor.view.shape());
    EXPECT_EQ(found->view.dtype(), tensor.view.dtype());
    EXPECT_EQ(BytesOf(found->view), BytesOf(tensor.view));
    EXPECT_EQ(found->file, 0u) << "is not aligned";
  }
  EXPECT_EQ(read.tensors.Find("again")->view.bytes(),
            read.tensors.Find(tensors.front().name)->view.bytes());
  WritePth(directory / "b.pth", tensors);
  EXPECT_EQ(ReadBytes(directory / "a.pth"), ReadBytes(directory / "b.pth"));
}

TEST(Pth, SaysWhatAFileIsInstead) {
  const auto error = [](const char* name) { return ErrorOf(ReadBytes(kGolden / name)); };
  EXPECT_TRUE(Contains(error("old_format.pth"), "save it again"));
  EXPECT_TRUE(Contains(error("without_tensors.pth"), "no tensor, only \"note\""));
  EXPECT_TRUE(Contains(error("double.pth"), "tensor \"a\" is of DoubleStorage"));
  EXPECT_TRUE(Contains(error("whole_module.pth"), "wants the global torch.nn.modules.container"));
}

TEST(Pth, RefusesEveryTruncation) {
  const std::string file = ReadBytes(kGolden / "tensors.pth");
  for (size_t size = 0; size < file.size(); ++size) ErrorOf(file.substr(0, size));
  const std::string pickle = TensorPickle().Bytes();
  EXPECT_EQ(Parse(FileOf(pickle)).tensors.size(), 1u);
  for (size_t size = 0; size < pickle.size(); ++size) ErrorOfPickle(pickle.substr(0, size));
}

TEST(PthPickle, RefusesGlobalsByTheirNames) {
  const std::string needless = ", which no checkpoint needs";
  EXPECT_TRUE(Contains(ErrorOfPickle("\x80\2cos\nsystem\n(X\2\0\0\0lstR."s),
                       "x.pth (data.pkl): wants the global os.system" + needless));
  EXPECT_TRUE(Contains(ErrorOfPickle("\x80\4" + Text("builtins") + Text("eval") + "\x93."),
                       "wants the global builtins.eval" + needless));
  EXPECT_TRUE(Contains(ErrorOfPickle("ctorch\nFloatStorage2\n."), "torch.FloatStorage2"));
  EXPECT_TRUE(Contains(ErrorOfPickle("c__main__\nA\nB\n."), "__main__.A"));
  // Instances by their class ("i"), and objects of any class (0x81) are other instructions.
  EXPECT_TRUE(Contains(ErrorOfPickle("(ios\nsystem\n."), "instruction 0x69" + needless));
  EXPECT_TRUE(Contains(ErrorOfPickle("ccollections\nOrderedDict\n)\x81."), "instruction 0x81"));
}

TEST(PthPickle, RefusesWhatDoesNotFitTogether) {
  EXPECT_TRUE(Contains(ErrorOfPickle("}"), "is cut off"));
  EXPECT_TRUE(Contains(ErrorOfPickle("."), "a value that is not there"));
  EXPECT_TRUE(Contains(ErrorOfPickle("}}."), "goes on behind its end"));
  EXPECT_TRUE(Contains(ErrorOfPickle("}.}"), "goes on behind its end"));
  EXPECT_TRUE(Contains(ErrorOfPickle("t."), "closes what was not opened"));
  EXPECT_TRUE(Contains(ErrorOfPickle("}(Nu."), "a name without a value"));
  EXPECT_TRUE(Contains(ErrorOfPickle("]NNs."), "something else instead of a dict"));
  EXPECT_TRUE(Contains(ErrorOfPickle("h\5."), "memo entry 5, which was not written"));
  EXPECT_TRUE(Contains(ErrorOfPickle("}r\xff\xff\xff\xff."), "memo entry 4294967295"));
  EXPECT_TRUE(Contains(ErrorOfPickle("N)R."), "instead of a function"));
  EXPECT_TRUE(Contains(ErrorOfPickle("ccollections\nOrderedDict\n(NtR."), "from something"));
  EXPECT_TRUE(Contains(ErrorOfPickle("X\xff\xff\xff\x7f."), "is cut off"));
  EXPECT_TRUE(Contains(ErrorOfPickle("\x8d"s + std::string(8, '\xff') + "."), "is cut off"));
  EXPECT_TRUE(Contains(ErrorOfPickle("\x8a\x09"s + std::string(9, '\1') + "."), "64 bits"));
  EXPECT_TRUE(Contains(ErrorOfPickle(std::string(1000, '(')), "nested too deeply"));
  EXPECT_TRUE(Contains(ErrorOfPickle("\x80\x06}."), "later pickle protocol"));
  EXPECT_TRUE(Contains(ErrorOfPickle("]."), "holds no dict"));
  EXPECT_TRUE(Contains(ErrorOfPickle(std::string(5'000'000, 'N')), "too many values"));
}

TEST(PthPickle, ReadsValuesThatContainThemselves) {
  // a = [a]; {"model": a dict that is its own "model"}
  EXPECT_TRUE(Contains(ErrorOfPickle("}" + Text("l") + "]q\1h\1as."), "no tensor, only \"l\""));
  EXPECT_TRUE(Contains(ErrorOfPickle("}q\1" + Text("model") + "h\1s."), "no tensor"));
}

TEST(PthPickle, RefusesNamesThatAreLongOrTwice) {
  const std::string one = Text("a") + "N";
  EXPECT_TRUE(Contains(ErrorOfPickle("}(" + one + one + "u."), "has \"a\" twice"));
  const std::string model = Text("model") + "}(" + one + "u";
  EXPECT_TRUE(Contains(ErrorOfPickle("}(" + model + one + one + "u."), "has \"a\" twice"));
  const std::string name = "X\xe9\3\0\0"s + std::string(1001, 'a');
  EXPECT_TRUE(Contains(ErrorOfPickle("}(" + name + "Nu."), "a name of 1001 bytes"));
  EXPECT_TRUE(Contains(ErrorOfPickle("}(NNu."), "whose name is not a string"));
}

TEST(PthPickle, ReadsIntegersOfEverySize) {
  const auto offset = [](const std::string& pickle) {
    return TensorPickle{.offset = pickle, .sizes = ")", .strides = ")"}.Bytes();
  };
  for (const std::string& five : {"K\5"s, "M\5\0"s, "J\5\0\0\0"s, "\x8a\1\5"s, "\x8a\3\5\0\0"s}) {
    const std::string file = FileOf(offset(five));
    const PthContents contents = Parse(file);
    ASSERT_EQ(contents.tensors.size(), 1u);
    EXPECT_EQ(file.find(std::string(24, '\1')) + 20, contents.tensors[0].offset);
  }
  for (const std::string& bad :
       {"K\6"s, "J\xff\xff\xff\xff"s, "\x8a\1\xff"s, "\x8a\x08\0\0\0\0\0\0\0\x80"s}) {
    EXPECT_TRUE(Contains(ErrorOfPickle(offset(bad)), "beyond its storage of 6 elements"));
  }
}

TEST(PthPickle, ChecksTensorsAgainstTheirStorages) {
  const auto error = [](const TensorPickle& tensor) { return ErrorOfPickle(tensor.Bytes()); };
  const std::string beyond = "tensor \"t\" reaches beyond its storage of 6 elements";
  EXPECT_TRUE(Contains(error({.sizes = "(K\3K\3t"}), beyond));
  EXPECT_TRUE(Contains(error({.strides = "(K\4K\1t"}), beyond));
  EXPECT_TRUE(Contains(error({.sizes = "(K\7t", .strides = "(K\0t"s}), beyond));  // expanded
  EXPECT_TRUE(Contains(error({.sizes = "(J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7ft",
                              .strides = "(K\1K\1K\1t"}),
                       beyond));
  EXPECT_TRUE(Contains(error({.strides = "(J\xff\xff\xff\xffK\1t"}), "no integer from 0 on"));
  EXPECT_TRUE(Contains(error({.strides = "(K\3NtN0"}), "0x30"));
  EXPECT_TRUE(Contains(error({.strides = "(K\3Nt"}), "no integer from 0 on"));
  EXPECT_TRUE(Contains(error({.strides = "(K\3t"}), "one stride a dimension"));
  EXPECT_TRUE(Contains(error({.sizes = "(K\1K\1K\1K\1K\1t"}), "5 dimensions; at most 4"));
  EXPECT_TRUE(Contains(error({.elements = "K\7"}), "but data/0 has 24 bytes"));
  EXPECT_TRUE(Contains(error({.elements = "\x8a\x08\0\0\0\0\0\0\0\x40"s}), "but data/0 has 24"));
  EXPECT_TRUE(Contains(error({.type = "ctorch\nHalfStorage\n"}), "6 elements of 2 bytes"));
  EXPECT_TRUE(Contains(error({.key = Text("../x")}), "data/../x, which is not there"));
  EXPECT_TRUE(Contains(error({.key = "N"}), "instead of a storage's key"));
}

TEST(PthZip, ReadsZip64) {
  StoredZip zip{
      .members = {{"x/data.pkl", TensorPickle().Bytes()}, {"x/data/0", std::string(24, '\1')}},
      .zip64 = true};
  const std::string file = zip.Bytes();
  EXPECT_EQ(Parse(file).tensors.size(), 1u);
  for (size_t size = 0; size < file.size(); ++size) ErrorOf(file.substr(0, size));
}

TEST(PthZip, RefusesWhatTorchDoesNotWrite) {
  const std::string pickle = TensorPickle().Bytes();
  const std::string storage(24, '\1');
  const auto zip = [&](StoredZip made) {
    made.members.insert(made.members.begin(), {"x/data/0", storage});
    return ErrorOf(made.Bytes());
  };
  EXPECT_TRUE(Contains(zip({.members = {{"x/data.pkl", pickle}}, .method = 8}), "is compressed"));
  EXPECT_TRUE(Contains(zip({.members = {{"x/data.pkl", pickle}}, .flags = 1}), "is encrypted"));
  EXPECT_TRUE(
      Contains(zip({.members = {{"x/data.pkl", pickle}, {"x/data.pkl", pickle}}}), "twice"));
  EXPECT_TRUE(Contains(zip({}), "has no data.pkl"));
  EXPECT_TRUE(Contains(zip({.members = {{"x/data.pkl", pickle}, {"x/byteorder", "big"}}}),
                       "byte order \"big\""));
  std::string file = FileOf(pickle);
  EXPECT_TRUE(Contains(ErrorOf("junk" + file), "in the wrong place"));
  EXPECT_TRUE(Contains(ErrorOf(file + "junk"), "is not a ZIP file"));
  // Another name, or another place, in the directory than at the member.
  std::string renamed = file;
  renamed[renamed.rfind("x/data/0")] = 'y';
  EXPECT_TRUE(Contains(ErrorOf(renamed), "not where the directory says"));
  std::string moved = file;
  moved[moved.rfind("x/data/0") - 4] ^= 1;
  EXPECT_TRUE(Contains(ErrorOf(moved), "not where the directory says"));
  std::string grown = file;  // both sizes in the directory: over the next member
  const size_t sizes = grown.find("PK\1\2") + 20;
  grown[sizes] = grown[sizes + 4] = static_cast<char>(static_cast<uint8_t>(pickle.size()) + 40);
  EXPECT_TRUE(Contains(ErrorOf(grown), "overlap"));
}

TEST(Pth, DoesNotCopySharedStoragesWithoutEnd) {
  std::string pickle = "\x80\2}(";
  for (int i = 0; i < 250; ++i) {
    const TensorPickle tensor{
        .elements = "J\0\0\1\0"s, .sizes = "(M\0\1M\0\1t"s, .strides = "(K\1M\0\1t"s};
    const std::string bytes = tensor.Bytes();
    pickle += Text("t" + std::to_string(i)) + bytes.substr(6, bytes.size() - 8);
  }
  const TemporaryDirectory directory;
  const auto path = directory.Write(
      "a.pth", StoredZip{.members = {{"x/data.pkl", pickle + "u."},
                                     {"x/data/0", std::string(size_t{1} << 18, '\1')}}}
                   .Bytes());
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { ReadPth(path); }),
                       "their copies would pass 2 times the file"));
}

}  // namespace
}  // namespace tandem
