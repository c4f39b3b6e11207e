// Ranks find each other, or learn why not; strangers at the port do no harm.

#include "kernels/comm/tcp_rendezvous.h"

#include <future>

#include "kernels/core/error.h"
#include "tests/kernels/comm/ranks.h"
#include "tests/support/expect_throws.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;

RendezvousSettings SettingsOf(int rank, int num_ranks, int port,
                              milliseconds timeout = std::chrono::seconds(30)) {
  return {.rank = {.rank = rank, .num_ranks = num_ranks, .timeout = timeout},
          .port = port,
          .job = "job"};
}

std::vector<std::string> Meet(const RendezvousSettings& settings) {
  return TcpRendezvous(settings).AllGather("text of " + std::to_string(settings.rank.rank));
}

std::future<std::vector<std::string>> MeetLater(const RendezvousSettings& settings) {
  return std::async(std::launch::async, [settings] { return Meet(settings); });
}

// Waits for the end of the call too: the message of what it threw.
template <typename Exception>
std::string FailureOf(std::future<std::vector<std::string>>& meeting) {
  return MessageOf<Exception>([&] { meeting.get(); });
}

const std::vector<std::string> kThreeTexts = {"text of 0", "text of 1", "text of 2"};

TEST(TcpRendezvous, EveryRankGetsEveryText) {
  const int port = FreePort();
  auto second = MeetLater(SettingsOf(2, 3, port));  // before there is anybody at the port
  auto first = MeetLater(SettingsOf(1, 3, port));
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(Meet(SettingsOf(0, 3, port)), kThreeTexts);
  EXPECT_EQ(first.get(), kThreeTexts);
  EXPECT_EQ(second.get(), kThreeTexts);
}

TEST(TcpRendezvous, AloneThereIsNobodyToWaitFor) {
  EXPECT_EQ(Meet(SettingsOf(0, 1, FreePort())), std::vector<std::string>{"text of 0"});
}

TEST(TcpRendezvous, TextsOfAMegabyte) {
  const int port = FreePort();
  const std::string text(1 << 20, 'x');
  auto other = std::async(std::launch::async,
                          [&] { return TcpRendezvous(SettingsOf(1, 2, port)).AllGather(text); });
  const std::vector<std::string> expected{text, text};
  EXPECT_EQ(TcpRendezvous(SettingsOf(0, 2, port)).AllGather(text), expected);
  EXPECT_EQ(other.get(), expected);
}

// A connection that says what it is told to.
class Stranger {
 public:
  Stranger(int port, const std::string& says) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    EXPECT_EQ(
        ::connect(socket_.descriptor(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::send(socket_.descriptor(), says.data(), says.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(says.size()));
  }

 private:
  Socket socket_;
};

TEST(TcpRendezvous, StrangersDoNoHarm) {
  const int port = FreePort();
  const std::string magic("tandem-ranks-1\n", 16);
  const auto greeting = [&](int64_t rank, int64_t job_bytes, int64_t text_bytes) {
    const int64_t numbers[] = {rank, 2, job_bytes, text_bytes};
    return magic + std::string(reinterpret_cast<const char*>(numbers), sizeof(numbers));
  };
  TcpRendezvous rendezvous(SettingsOf(0, 2, port));
  std::vector<std::unique_ptr<Stranger>> strangers;
  for (const std::string& says :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(), std::string(100'000, 't'), magic,
        greeting(1, -1, 0), greeting(1, 3, int64_t{1} << 60), greeting(1, 0, 0) + "more",
        greeting(1, int64_t{1} << 62, int64_t{1} << 62)}) {
    strangers.push_back(std::make_unique<Stranger>(port, says));
  }
  strangers[0].reset();
  auto other = MeetLater(SettingsOf(1, 2, port));
  const std::vector<std::string> texts = rendezvous.AllGather("text of 0");
  EXPECT_EQ(texts, (std::vector<std::string>{"text of 0", "text of 1"}));
  EXPECT_EQ(other.get(), texts);
}

TEST(TcpRendezvous, ARankOfAnotherJobIsToldSo) {
  const int port = FreePort();
  TcpRendezvous master(SettingsOf(0, 2, port));
  RendezvousSettings settings = SettingsOf(1, 2, port);
  settings.job = "another";
  auto foreign = MeetLater(settings);
  auto mine = std::async(std::launch::async, [&] { return master.AllGather("text of 0"); });
  EXPECT_TRUE(
      Contains(FailureOf<ConfigError>(foreign), "is of job \"job\", this one of \"another\""));
  EXPECT_EQ(Meet(SettingsOf(1, 2, port)).size(), 2u);  // the right one is still waited for
  EXPECT_EQ(mine.get().size(), 2u);
}

// They have reached each other, and now say who they are.
std::vector<std::future<std::vector<std::string>>> Greet(std::vector<TcpRendezvous>& ranks) {
  std::vector<std::future<std::vector<std::string>>> meetings;
  for (TcpRendezvous& rank : ranks) {
    meetings.push_back(std::async(std::launch::async, [&rank] { return rank.AllGather("text"); }));
  }
  return meetings;
}

TEST(TcpRendezvous, OtherNumbersOfRanksEndItForAll) {
  const int port = FreePort();
  std::vector<TcpRendezvous> ranks;
  ranks.emplace_back(SettingsOf(0, 3, port));
  ranks.emplace_back(SettingsOf(2, 4, port));
  ranks.emplace_back(SettingsOf(1, 3, port));
  auto meetings = Greet(ranks);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(Contains(FailureOf<ConfigError>(meetings[i]),
                         "rank 2 was started as one of 4, rank 0 as one of 3; start each rank"));
  }
  // This one is told too, or is turned away unheard.
  EXPECT_THROW(meetings[2].get(), Error);
}

TEST(TcpRendezvous, TwoOfOneRankEndItForAll) {
  const int port = FreePort();
  std::vector<TcpRendezvous> ranks;
  ranks.emplace_back(SettingsOf(0, 3, port));
  ranks.emplace_back(SettingsOf(1, 3, port));
  ranks.emplace_back(SettingsOf(1, 3, port));
  auto meetings = Greet(ranks);
  for (auto& meeting : meetings) {
    EXPECT_TRUE(Contains(FailureOf<ConfigError>(meeting), "two processes are rank 1"));
  }
}

TEST(TcpRendezvous, RanksThatDoNotComeAreNamedInTime) {
  const int port = FreePort();
  std::vector<TcpRendezvous> ranks;
  ranks.emplace_back(SettingsOf(0, 4, port, milliseconds(500)));
  ranks.emplace_back(SettingsOf(2, 4, port));
  auto meetings = Greet(ranks);
  EXPECT_TRUE(Contains(FailureOf<DeviceError>(meetings[0]),
                       "these ranks did not come within 500 ms: 1, 3; are they started?"));
  EXPECT_TRUE(Contains(FailureOf<DeviceError>(meetings[1]),
                       "rank 2 of 4: rank 0 at 127.0.0.1:" + std::to_string(port) + " left"));
}

TEST(TcpRendezvous, ARankZeroThatDoesNotComeIsNamedInTime) {
  auto first = MeetLater(SettingsOf(1, 2, FreePort(), milliseconds(200)));
  EXPECT_TRUE(Contains(FailureOf<DeviceError>(first), "rank 1 of 2 did not reach rank 0 at"));
  // There, but without the others.
  const int port = FreePort();
  const TcpRendezvous silent(SettingsOf(0, 2, port));
  auto second = MeetLater(SettingsOf(1, 2, port, milliseconds(200)));
  EXPECT_TRUE(Contains(FailureOf<DeviceError>(second), "did not say within 200 ms"));
}

TEST(TcpRendezvous, SettingsThatCannotBeAreRefused) {
  const auto refusal = [](const RendezvousSettings& settings) {
    return MessageOf<ConfigError>([&] { TcpRendezvous rendezvous(settings); });
  };
  EXPECT_TRUE(Contains(refusal(SettingsOf(2, 2, 29500)), "rank 2 of 2: ranks count from 0"));
  EXPECT_TRUE(Contains(refusal(SettingsOf(-1, 2, 29500)), "rank -1 of 2"));
  EXPECT_TRUE(Contains(refusal(SettingsOf(0, 2, 70000)), "port 70000 of rank 0 is not in"));
  EXPECT_TRUE(Contains(refusal(SettingsOf(0, 2, 29500, milliseconds(0))), "no time to wait"));
  RendezvousSettings everywhere = SettingsOf(0, 2, FreePort());
  everywhere.address = "0.0.0.0";
  EXPECT_TRUE(Contains(refusal(everywhere), "which other machines cannot reach"));
  const int port = FreePort();
  const TcpRendezvous holder(SettingsOf(0, 2, port));
  EXPECT_TRUE(Contains(refusal(SettingsOf(0, 2, port)), "cannot listen at 127.0.0.1"));
}

}  // namespace
}  // namespace tandem
