#include "engine/weights/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "engine/weights/safetensors_header.h"
#include "kernels/core/error.h"
#include "tests/support/expect_throws.h"
#include "tests/support/temporary_directory.h"

namespace tandem {
namespace {

// A file from its header text and data.
std::string File(const std::string& header, const std::string& data) {
  std::string file(8, '\0');
  for (size_t i = 0; i < 8; ++i) file[i] = static_cast<char>((header.size() >> (8 * i)) & 0xff);
  return file + header + data;
}

std::string Entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

std::string ErrorOf(const std::string& file) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("t.safetensors", file);
  return MessageOf<FormatError>([&] { ReadSafetensorsFile(path); });
}

// Every byte of every view; reading out of bounds would be caught by AddressSanitizer or the
// kernel.
uint64_t Checksum(const TensorTable& table) {
  uint64_t sum = 0;
  for (const auto& [name, entry] : table.entries()) {
    const auto* bytes = entry.view.bytes();
    for (int64_t i = 0; i < entry.view.size_bytes(); ++i) {
      sum = sum * 31 + static_cast<uint64_t>(bytes[i]);
    }
  }
  return sum;
}

TEST(Safetensors, ReadsBackWhatWasWritten) {
  const TemporaryDirectory directory;
  Tensor f32(DType::kF32, {2, 3});
  std::iota(f32.data<float>(), f32.data<float>() + 6, 1.5f);
  Tensor bf16(DType::kBf16, {4});
  bf16.data<BFloat16>()[2] = BFloat16(-2.0f);
  Tensor i64(DType::kI64, {});
  i64.data<int64_t>()[0] = -7;
  Tensor u8(DType::kU8, {3, 0, 2});
  Tensor i8(DType::kI8, {3});
  i8.data<int8_t>()[1] = -1;
  const auto path = directory / "t.safetensors";
  WriteSafetensors(path,
                   {{{"b", bf16.view()},
                     {"i8", i8.view()},
                     {"a", f32.view()},
                     {"scalar", i64.view()},
                     {"empty", u8.view()}}},
                   {{"format", "pt"}});
  const TensorTable table = ReadSafetensorsFile(path);
  ASSERT_EQ(table.entries().size(), 5u);
  EXPECT_EQ(table.metadata().at("format"), "pt");
  EXPECT_EQ(table.size_bytes(), 24 + 8 + 8 + 3);
  EXPECT_EQ(table.Find("a")->view.shape(), Shape({2, 3}));
  EXPECT_EQ(table.Find("a")->view.data<float>()[5], 6.5f);
  EXPECT_EQ(float(table.Find("b")->view.data<BFloat16>()[2]), -2.0f);
  EXPECT_EQ(table.Find("i8")->view.data<int8_t>()[1], -1);
  EXPECT_EQ(table.Find("scalar")->view.shape().rank(), 0);
  EXPECT_EQ(table.Find("scalar")->view.data<int64_t>()[0], -7);
  EXPECT_EQ(table.Find("empty")->view.shape(), Shape({3, 0, 2}));
  EXPECT_EQ(table.Find("absent"), nullptr);
  for (const auto& [name, entry] : table.entries()) {
    EXPECT_NE(entry.file, TensorTable::kNoFile) << name << " was not aligned";
    table.Forget(entry);
  }
  EXPECT_EQ(table.Find("a")->view.data<float>()[5], 6.5f);
}

TEST(Safetensors, WritesEqualBytesForEqualTensors) {
  const TemporaryDirectory directory;
  Tensor tensor(DType::kF32, {5});
  for (const char* name : {"one", "two"}) {
    WriteSafetensors(directory / name, {{{"x", tensor.view()}, {"y", tensor.view()}}});
  }
  EXPECT_EQ(directory.Read("one"), directory.Read("two"));
}

TEST(Safetensors, ReadsAFileWithoutTensors) {
  const TemporaryDirectory directory;
  WriteSafetensors(directory / "t", {});
  EXPECT_TRUE(ReadSafetensorsFile(directory / "t").entries().empty());
}

TEST(Safetensors, CopiesATensorThatIsNotAligned) {
  const TemporaryDirectory directory;
  const std::string header =
      "{" + Entry("a", "U8", "[1]", "[0,1]") + "," + Entry("b", "I32", "[1]", "[1,5]") + "}";
  std::string data("\x05\x01\x00\x00\x00", 5);
  const auto path = directory.Write("t", File(header, data));
  const TensorTable table = ReadSafetensorsFile(path);
  const TensorTable::Entry* entry = table.Find("b");
  EXPECT_EQ(entry->file, TensorTable::kNoFile);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(entry->view.bytes()) % 4, 0u);
  EXPECT_EQ(entry->view.data<int32_t>()[0], 1);
  table.Forget(*entry);
  EXPECT_EQ(entry->view.data<int32_t>()[0], 1);
}

TEST(Safetensors, RefusesLengthsThatDoNotFit) {
  EXPECT_TRUE(Contains(ErrorOf(""), "too short"));
  EXPECT_TRUE(Contains(ErrorOf("1234567"), "too short"));
  EXPECT_TRUE(Contains(ErrorOf(std::string(8, '\xff')), "exceeds the limit"));
  EXPECT_TRUE(Contains(ErrorOf(std::string("\x10\0\0\0\0\0\0\0{}", 10)), "exceeds the file"));
  EXPECT_TRUE(Contains(ErrorOf(std::string(8, '\0')), "does not start with '{'"));
  EXPECT_TRUE(Contains(ErrorOf(File(" {}", "")), "does not start with '{'"));
}

TEST(Safetensors, RefusesHeadersThatAreNotAsTheyShouldBe) {
  const std::string good = Entry("a", "F32", "[1]", "[0,4]");
  const struct {
    std::string header, expected;
  } cases[] = {
      {"{", "JSON error"},
      {"{\"a\":1}", "is not an object"},
      {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", "has no dtype"},
      {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", "has no shape"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", "has no data_offsets"},
      {"{" + good + "," + good + "}", "stands twice"},
      {"{" + Entry("a", "F32", "[[[[1]]]]", "[0,4]") + "}", "nests deeper"},
      {"{" + Entry("a", "F32", "[-1]", "[0,4]") + "}", "not a size"},
      {"{" + Entry("a", "F32", "[1.0]", "[0,4]") + "}", "not a size"},
      {"{" + Entry("a", "F32", "[18446744073709551615]", "[0,4]") + "}", "not a size"},
      {"{" + Entry("a", "F32", "[4294967296,4294967296]", "[0,4]") + "}", "beyond 2^63"},
      {"{" + Entry("a", "F32", "[4611686018427387904]", "[0,4]") + "}", "has 4 bytes"},
      {"{" + Entry("a", "F32", "[1,1,1,1,1]", "[0,4]") + "}", "5 dimensions"},
      {"{" + Entry("a", "F32", "[2]", "[0,4]") + "}", "of F32 [2] has 4 bytes"},
      {"{" + Entry("a", "F32", "[1]", "[4,0]") + "}", "claims bytes 4 to 0"},
      {"{" + Entry("a", "F32", "[1]", "[0,8]") + "}", "claims bytes 0 to 8"},
      {"{" + Entry("a", "F32", "[1]", "[-4,0]") + "}", "has no data_offsets"},
      {"{" + Entry("a", "F32", "[1]", "[18446744073709551612,18446744073709551616]") + "}",
       "has no data_offsets"},
      {"{" + Entry("a", "F32", "[1]", "[0,4,4]") + "}", "has no data_offsets"},
      {"{" + good + "," + Entry("b", "F32", "[1]", "[0,4]") + "}", "overlaps"},
      {"{" + Entry("b", "F16", "[1]", "[2,4]") + "}", "leaves a gap"},
      {"{" + Entry("b", "F16", "[1]", "[0,2]") + "}", "2 bytes after the last tensor"},
      {"{}", "4 bytes after the last tensor"},
      {"{\"__metadata__\":{\"a\":1}," + good + "}", "is not a string"},
      {"{\"__metadata__\":[]," + good + "}", "is not an object"},
      {"{" + Entry("w", "F8_E4M3", "[4]", "[0,4]") + "}", "unsupported types: \"w\" (F8_E4M3)"},
      {"{" + Entry("w\\n", "F64", "[1]", "[0,8]") + "}", "unsupported types: \"w\\n\" (F64)"},
  };
  for (const auto& [header, expected] : cases) {
    EXPECT_TRUE(Contains(ErrorOf(File(header, "data")), expected)) << header;
  }
  const TemporaryDirectory directory;
  const auto path = directory.Write("t", File("{" + good + "}   ", "data"));
  EXPECT_EQ(ReadSafetensorsFile(path).size_bytes(), 4);
}

TEST(Safetensors, NamesTheFileInErrors) {
  const TemporaryDirectory directory;
  directory.Write("model.safetensors", "short");
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { ReadSafetensors(directory.path()); }),
                       (directory / "model.safetensors").string()));
}

// Truncations and byte changes of a good file: each reads fine, within bounds, or is a FormatError.
TEST(Safetensors, SurvivesMutations) {
  const TemporaryDirectory directory;
  Tensor a(DType::kF32, {3, 5}), b(DType::kF16, {7}), c(DType::kI64, {2});
  a.data<float>()[14] = 1.0f;
  WriteSafetensors(directory / "good",
                   {{{"layer.0.weight", a.view()}, {"b", b.view()}, {"c", c.view()}}},
                   {{"k", "v"}});
  const std::string good = directory.Read("good");
  uint64_t sum = 0;
  int num_read = 0, num_refused = 0;
  const auto examine = [&](const std::string& bytes) {
    // A heap copy of exactly this size, so that a sanitizer sees one byte too far.
    const std::vector<std::byte> exact(
        reinterpret_cast<const std::byte*>(bytes.data()),
        reinterpret_cast<const std::byte*>(bytes.data()) + bytes.size());
    try {
      const SafetensorsHeader header = ParseSafetensorsHeader(exact, "mutant");
      for (const SafetensorsEntry& entry : header.entries) {
        for (size_t i = 0; i < entry.size_bytes; ++i) {
          sum += static_cast<uint64_t>(exact[entry.offset + i]);
        }
      }
      ++num_read;
    } catch (const FormatError&) {
      ++num_refused;
    }
  };
  for (size_t length = 0; length <= good.size(); ++length) examine(good.substr(0, length));
  const size_t header_end = good.size() - static_cast<size_t>(15 * 4 + 7 * 2 + 2 * 8);
  for (size_t at = 0; at < header_end; ++at) {
    for (const char replacement : {'\0', '\xff', '0', '9', '"', '[', '}', ',', '-', 'e', ' '}) {
      std::string mutant = good;
      mutant[at] = replacement;
      examine(mutant);
    }
    std::string shorter = good, longer = good;
    shorter.erase(at, 1);
    longer.insert(at, 1, '1');
    examine(shorter);
    examine(longer);
  }
  EXPECT_GT(num_read, 100);  // changes inside names and padding
  EXPECT_GT(num_refused, 1000);
  EXPECT_GT(sum, 0u);
  directory.Write("model.safetensors", good);
  EXPECT_GT(Checksum(ReadSafetensors(directory.path())), 0u);
}

class Shards : public ::testing::Test {
 protected:
  Shards() : x_(DType::kF32, {2}), y_(DType::kBf16, {3}) {
    x_.data<float>()[1] = 4.0f;
    WriteSafetensors(directory_ / "model-1.safetensors", {{{"x", x_.view()}}});
    WriteSafetensors(directory_ / "model-2.safetensors", {{{"y", y_.view()}}});
  }
  void WriteIndex(const std::string& weight_map) {
    directory_.Write("model.safetensors.index.json",
                     "{\"metadata\":{\"total_size\":14},\"weight_map\":" + weight_map + "}");
  }
  std::string Error() {
    return MessageOf<FormatError>([&] { ReadSafetensors(directory_.path()); });
  }

  TemporaryDirectory directory_;
  Tensor x_, y_;
};

TEST_F(Shards, AreReadAsOneTable) {
  WriteIndex(R"({"x":"model-1.safetensors","y":"model-2.safetensors"})");
  const TensorTable table = ReadSafetensors(directory_.path());
  EXPECT_EQ(table.num_files(), 2u);
  EXPECT_EQ(table.Find("x")->view.data<float>()[1], 4.0f);
  EXPECT_EQ(table.Find("y")->view.shape(), Shape({3}));
}

TEST_F(Shards, MayBeLinks) {
  std::filesystem::rename(directory_ / "model-1.safetensors", directory_ / "blob");
  std::filesystem::create_symlink("blob", directory_ / "model-1.safetensors");
  WriteIndex(R"({"x":"model-1.safetensors"})");
  EXPECT_EQ(ReadSafetensors(directory_.path()).Find("x")->view.data<float>()[1], 4.0f);
}

TEST_F(Shards, MustNotLeaveTheDirectory) {
  for (const char* name :
       {"../model-1.safetensors", "/etc/passwd", "a/b.safetensors", "", "..", ".hidden.safetensors",
        "a\\\\b.safetensors", "x\\u0000.safetensors", "model-1.bin"}) {
    WriteIndex("{\"x\":\"" + std::string(name) + "\"}");
    EXPECT_TRUE(Contains(Error(), "plain name")) << name;
  }
}

TEST_F(Shards, MustHoldWhatTheIndexSays) {
  WriteIndex(R"({"x":"model-2.safetensors","y":"model-1.safetensors"})");
  EXPECT_TRUE(Contains(Error(), "\"x\" is not in \"model-2.safetensors\""));
  WriteIndex(R"({"x":"model-1.safetensors","z":"model-2.safetensors"})");
  EXPECT_TRUE(Contains(Error(), "\"z\" is not in"));
  WriteIndex(R"({"x":"model-3.safetensors"})");
  EXPECT_TRUE(Contains(Error(), "model-3.safetensors"));
  WriteIndex("[]");
  EXPECT_TRUE(Contains(Error(), "has no weight_map"));
  WriteIndex("{}");
  EXPECT_TRUE(Contains(Error(), "names no tensor"));
}

TEST_F(Shards, MustNotHoldATensorTwice) {
  WriteSafetensors(directory_ / "model-2.safetensors", {{{"x", x_.view()}}});
  WriteIndex(R"({"x":"model-1.safetensors","y":"model-2.safetensors"})");
  EXPECT_TRUE(Contains(Error(), "another shard"));
}

TEST(Safetensors, SaysWhatIsMissingFromADirectory) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(Contains(MessageOf<FormatError>([&] { ReadSafetensors(directory.path()); }),
                       "no model.safetensors and no model.safetensors.index.json"));
}

TEST(Safetensors, ReadsPublishedCheckpoints) {
  const std::filesystem::path models = TANDEM_SOURCE_DIR "/../shared/data/models";
  if (!std::filesystem::exists(models)) GTEST_SKIP() << "no " << models;
  const TensorTable stories = ReadSafetensors(models / "stories260K");
  EXPECT_EQ(stories.Find("model.embed_tokens.weight")->view.shape(), Shape({512, 64}));
  EXPECT_EQ(stories.Find("model.embed_tokens.weight")->view.dtype(), DType::kF32);
  const TensorTable random = ReadSafetensors(models / "arithmetic-random");
  EXPECT_EQ(random.Find("lm_head.weight")->view.dtype(), DType::kBf16);
  EXPECT_NE(Checksum(stories), 0u);
  EXPECT_NE(Checksum(random), 0u);
}

}  // namespace
}  // namespace tandem
