#pragma once

namespace tandem {

// Of the sources that this was built from, as git names it; "+" follows where they were changed
// since. "unknown" outside of a checkout. Made by cmake/write_commit.cmake.
extern const char* const kCommit;

}  // namespace tandem
