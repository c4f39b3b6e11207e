#include "api/http/descriptors.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "kernels/core/error.h"
#include "tests/api/support/test_server.h"

namespace tandem {
namespace {

TEST(Descriptors, RaiseTheSoftLimitAsFarAsNeeded) {
  const DescriptorPlan enough = PlanDescriptors(100, {.soft = 1024, .hard = 4096});
  EXPECT_EQ(enough.soft, 1024u);
  EXPECT_EQ(enough.max_connections, 100u);
  const DescriptorPlan raised = PlanDescriptors(2000, {.soft = 1024, .hard = 1 << 20});
  EXPECT_GT(raised.soft, 2000u);
  EXPECT_LT(raised.soft, 2400u);
  EXPECT_EQ(raised.max_connections, 2000u);
}

TEST(Descriptors, LeaveFewerConnectionsUnderALowHardLimit) {
  const DescriptorPlan plan = PlanDescriptors(2000, {.soft = 256, .hard = 1024});
  EXPECT_EQ(plan.soft, 1024u);
  EXPECT_GT(plan.max_connections, 700u);
  EXPECT_LT(plan.max_connections, 1000u);
  EXPECT_EQ(PlanDescriptors(2000, {.soft = 100, .hard = 100}).max_connections, 0u);
  EXPECT_EQ(PlanDescriptors(1, {.soft = 200, .hard = 200}).max_connections, 1u);
}

TEST(Descriptors, AreReservedInThisProcess) {
  const DescriptorLimits before = ReadDescriptorLimits();
  EXPECT_EQ(ReserveDescriptors(16), 16u);
  EXPECT_EQ(ReadDescriptorLimits().hard, before.hard);
  EXPECT_GE(ReadDescriptorLimits().soft, before.soft);
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Lets the process open one more descriptor and no second one, as long as it exists.
class OneDescriptorLeft {
 public:
  OneDescriptorLeft() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(lowest);
    const rlimit low{static_cast<rlim_t>(lowest) + 1, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
  }
  ~OneDescriptorLeft() { setrlimit(RLIMIT_NOFILE, &before_); }
  OneDescriptorLeft(const OneDescriptorLeft&) = delete;

 private:
  rlimit before_{};
};

TEST(Descriptors, MayRunOutWithoutHarm) {
  TestServer server;
  EXPECT_EQ(server.Get("/health").status, 200);
  RawClient before = server.Connect();
  before.Send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(before.ReadResponse().status, 200);
  auto shortage = std::make_unique<OneDescriptorLeft>();
  RawClient client = server.Connect();
  ASSERT_TRUE(client.connected());
  client.Send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
  client.WaitAtMost(std::chrono::seconds(1));
  const double start = CpuSeconds();
  EXPECT_FALSE(client.Receive()) << "the server cannot have accepted it";
  EXPECT_LT(CpuSeconds() - start, 0.5) << "of one second: it must not spin";
  before.Send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(before.ReadResponse().status, 200) << "others go on";
  shortage.reset();
  client.WaitAtMost(std::chrono::seconds(5));
  EXPECT_EQ(client.ReadResponse().status, 200);
}

}  // namespace
}  // namespace tandem
