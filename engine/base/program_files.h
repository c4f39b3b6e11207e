#pragma once
// Where the running program lies, and what comes with it: the sister programs beside it, and the
// files of configs/. The same in an installed tree, wherever it was moved, and in a build. Pure but
// for the link /proc/self/exe; any thread.

#include <filesystem>
#include <optional>

namespace tandem {

// The folder that holds the running program.
std::filesystem::path ProgramFolder();

// Where `name` (such as "configs/models/default") is for a program in `folder`: installed as
// <prefix>/bin below <prefix>/share/tandem, built as build/<preset>/bin in the checkout. None when
// it is in neither place.
std::optional<std::filesystem::path> FindProgramFile(const std::filesystem::path& folder,
                                                     const std::filesystem::path& name);

}  // namespace tandem
