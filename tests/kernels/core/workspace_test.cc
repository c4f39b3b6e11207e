#include "kernels/core/workspace.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace tandem {
namespace {

TEST(Workspace, PiecesAreAlignedAndDisjoint) {
  Workspace workspace;
  WorkspaceScope scope(workspace);
  std::vector<std::byte*> pieces;
  for (int i = 0; i < 50; ++i) {
    pieces.push_back(scope.Take<std::byte>(100 + i));
    ASSERT_EQ(reinterpret_cast<uintptr_t>(pieces.back()) % 64, 0u);
    std::memset(pieces.back(), i, static_cast<size_t>(100 + i));
  }
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(pieces[static_cast<size_t>(i)][99 + i], static_cast<std::byte>(i));
  }
}

TEST(Workspace, InnerScopeGivesBackWhatItTook) {
  Workspace workspace;
  WorkspaceScope outer(workspace);
  outer.Take<float>(10);
  float* first = nullptr;
  {
    WorkspaceScope inner(workspace);
    first = inner.Take<float>(1000);
  }
  WorkspaceScope inner(workspace);
  EXPECT_EQ(inner.Take<float>(1000), first);
}

TEST(Workspace, GrowsWithoutMovingWhatIsInUse) {
  Workspace workspace;
  WorkspaceScope scope(workspace);
  auto* early = scope.Take<int64_t>(16);
  early[0] = 42;
  auto* large = scope.Take<std::byte>(5 << 20);
  large[(5 << 20) - 1] = std::byte{1};
  EXPECT_EQ(early[0], 42);
}

TEST(Workspace, DoesNotAllocateInTheSteadyState) {
  Workspace workspace;
  const auto use = [&] {
    WorkspaceScope scope(workspace);
    scope.Take<std::byte>(3 << 20);
    scope.Take<std::byte>(1 << 20);
    WorkspaceScope inner(workspace);
    inner.Take<std::byte>(2 << 20);
  };
  use();
  const int64_t held = workspace.size_bytes();
  for (int i = 0; i < 10; ++i) use();
  EXPECT_EQ(workspace.size_bytes(), held);
}

TEST(Workspace, BecomesOneBlockOfTheLargestNeed) {
  constexpr int64_t kNeed = 64 + (3 << 20) + (4 << 20);
  Workspace workspace;
  {
    WorkspaceScope scope(workspace);
    scope.Take<std::byte>(64);
    scope.Take<std::byte>(3 << 20);
    scope.Take<std::byte>(4 << 20);
    EXPECT_GT(workspace.size_bytes(), kNeed);
  }
  EXPECT_EQ(workspace.size_bytes(), kNeed);
  WorkspaceScope scope(workspace);
  std::byte* first = scope.Take<std::byte>(64);
  EXPECT_EQ(scope.Take<std::byte>(kNeed - 64), first + 64);
  EXPECT_EQ(workspace.size_bytes(), kNeed);
}

TEST(Workspace, RefusesNegativeCounts) {
  Workspace workspace;
  WorkspaceScope scope(workspace);
  EXPECT_THROW(scope.Take<float>(-1), InternalError);
}

}  // namespace
}  // namespace tandem
