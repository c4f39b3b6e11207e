// The table of tests/bench/device_bench.h on the fake GPU, in the smallest shapes: that every row
// is there, and what becomes of the others when one fails or time is over. Nothing here is a speed.

#include "tests/bench/device_bench.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "kernels/core/error.h"
#include "tests/bench/device_timing.h"
#include "tests/cuda_on_cpu/cuda_backend.h"
#include "tests/cuda_on_cpu/device_memory.h"
#include "tests/support/ops/operands.h"

namespace tandem {
namespace {

class DeviceBench : public testing::Test {
 protected:
  static DeviceBenchOptions Tiny(const std::string& filter) {
    return {.device = kCuda, .seconds = 600, .tiny = true, .filter = filter};
  }
  static bool IsMeasured(const BenchRow& row) { return row.value > 0; }

  CudaBackend backend_;
};

TEST_F(DeviceBench, HasRowsOfEveryGroup) {
  std::vector<std::string> told;
  DeviceBenchOptions options = Tiny("");
  options.on_row = [&](const BenchRow& row) { told.push_back(row.group + row.name); };
  const size_t before = cuda_on_cpu::DeviceBytesInUse();
  const std::vector<BenchRow> rows = RunDeviceBench(options);
  EXPECT_EQ(cuda_on_cpu::DeviceBytesInUse(), before);

  std::map<std::string, int> measured;
  std::set<std::string> names;
  for (const BenchRow& row : rows) {
    SCOPED_TRACE(row.group + ": " + row.name);
    EXPECT_TRUE(names.insert(row.group + row.name).second) << "twice";
    EXPECT_TRUE(std::isfinite(row.value) && std::isfinite(row.share));
    EXPECT_FALSE(row.unit.empty());
    EXPECT_TRUE(row.share == 0 || !row.bound.empty());
    measured[row.group] += IsMeasured(row);
    const bool is_the_vendors =
        row.group == "invariance price" || row.name.starts_with("matmul 8192");
    if (is_the_vendors) {
      EXPECT_EQ(row.note, "not measured: a tiny run does without cuBLASLt");
      EXPECT_EQ(row.value, 0);
    } else {
      EXPECT_GT(row.value, 0) << row.note;
    }
  }
  EXPECT_EQ(measured["ceilings"], 4);
  EXPECT_EQ(measured["decode"], 4);
  EXPECT_EQ(measured["prefill"], 2);
  EXPECT_EQ(measured["training"], 1);
  EXPECT_GT(measured["ops"], 40);
  EXPECT_EQ(measured.count("invariance price"), 1u);
  ASSERT_EQ(told.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(told[i], rows[i].group + rows[i].name);
}

TEST_F(DeviceBench, HasOnlyWhatTheFilterWants) {
  const std::vector<BenchRow> rows = RunDeviceBench(Tiny("ops: add"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].unit, "GB/s");
  EXPECT_GT(rows[0].share, 0) << "the ceiling is measured for it";
  EXPECT_TRUE(RunDeviceBench(Tiny("no such row")).empty());
}

TEST_F(DeviceBench, PrintsATable) {
  testing::internal::CaptureStdout();
  PrintDeviceBench(Tiny("ops: "));
  const std::string table = testing::internal::GetCapturedStdout();
  EXPECT_NE(table.find("CUDA on the CPU"), std::string::npos);
  EXPECT_NE(table.find("GB/s"), std::string::npos);
  EXPECT_THROW(PrintDeviceBench(Tiny("no such row")), ConfigError);
}

TEST_F(DeviceBench, NamesTheRowsForWhichThereIsNoTime) {
  DeviceBenchOptions options = Tiny("ceilings: ");
  options.seconds = 0;
  const std::vector<BenchRow> rows = RunDeviceBench(options);
  ASSERT_EQ(rows.size(), 5u);
  for (const BenchRow& row : rows) {
    EXPECT_EQ(row.value, 0) << row.name;
    EXPECT_EQ(row.note, "not measured: time is over") << row.name;
  }
}

// A device that fails during one row and works again: that row says why, and the others are there.
TEST_F(DeviceBench, LosesNoOtherRowWhenOneFails) {
  size_t num_rows = 0;
  DeviceBenchOptions options = Tiny("ops: rms_norm");
  options.on_row = [&](const BenchRow&) {
    ++num_rows;
    cuda_on_cpu::SetDeviceFailure(num_rows == 1 ? 700 : 0);
  };
  const std::vector<BenchRow> rows = RunDeviceBench(options);
  cuda_on_cpu::SetDeviceFailure(0);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_TRUE(IsMeasured(rows[0])) << rows[0].note;
  EXPECT_FALSE(IsMeasured(rows[1]));
  EXPECT_TRUE(IsMeasured(rows[2])) << rows[2].note;
  EXPECT_NE(rows[1].note.find("illegal memory access"), std::string::npos) << rows[1].note;
  EXPECT_EQ(rows[1].share, 0);

  num_rows = 0;
  options.filter = "ops: a";
  const std::vector<BenchRow> more = RunDeviceBench(options);
  ASSERT_GT(more.size(), 3u);
  for (size_t i = 0; i < more.size(); ++i) {
    EXPECT_EQ(IsMeasured(more[i]), i != 1) << more[i].name << " " << more[i].note;
  }
}

TEST_F(DeviceBench, SaysWhatDoesNotFit) {
  const size_t bytes = cuda_on_cpu::DeviceBytes();
  cuda_on_cpu::SetDeviceBytes(300 << 10);
  const std::vector<BenchRow> rows = RunDeviceBench(Tiny("6"));  // small ops, and models
  cuda_on_cpu::SetDeviceBytes(bytes);
  size_t num_measured = 0, num_too_large = 0;
  for (const BenchRow& row : rows) {
    num_measured += IsMeasured(row);
    num_too_large += row.note.find("cannot allocate") != std::string::npos;
  }
  EXPECT_GT(num_measured, 5u);
  EXPECT_GT(num_too_large, 0u);
}

TEST_F(DeviceBench, ThrowsWithoutADevice) {
  SetDeviceMemory(DeviceKind::kCuda, {});
  EXPECT_THROW(RunDeviceBench(Tiny("")), DeviceError);
  SetDeviceMemory(DeviceKind::kCuda, cuda::Memory());
}

TEST(BenchRow, ComparesWithItsGoals) {
  BenchRow row{.value = 80, .share = 0.5, .must = 100.0, .aim = 60.0};
  EXPECT_EQ(row.Reaches(row.must), false);
  EXPECT_EQ(row.Reaches(row.aim), true);
  row.lower_is_better = true;
  EXPECT_EQ(row.Reaches(row.must), true);
  row = {.value = 80, .share = 0.5, .must = 0.45, .goal_is_share = true};
  EXPECT_EQ(row.Reaches(row.must), true);
  EXPECT_EQ(row.Reaches(row.aim), std::nullopt);
  row.share = 0;
  EXPECT_EQ(row.Reaches(row.must), std::nullopt);
}

// A recording does its work once a replay; a body that throws leaves the stream as it was.
TEST_F(DeviceBench, RecordsAndReplays) {
  CudaContext device;
  Context& context = device;
  Tensor x = Placed(context, NormalTensor({1, 8}, 1));
  EXPECT_THROW(Recording(context, [] { throw DeviceError("no"); }), DeviceError);
  Recording zero(context, [&] { FillZero(context, x); });
  const auto first = [&] { return HostCopy(context, x.view()).view().data<float>()[0]; };
  EXPECT_NE(first(), 0.0f);
  zero.Replay(context);
  EXPECT_EQ(first(), 0.0f);
}

}  // namespace
}  // namespace tandem
