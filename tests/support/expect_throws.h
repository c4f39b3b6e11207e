#pragma once
// Expectations on what an error says: the messages are part of the contract.

#include <gtest/gtest.h>

#include <string>

namespace tandem {

// The message of the Exception that `call` throws; fails the test when it throws none, or another.
template <typename Exception, typename Call>
std::string MessageOf(Call&& call) {
  try {
    call();
  } catch (const Exception& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception: " << error.what();
    return "";
  }
  ADD_FAILURE() << "no exception";
  return "";
}

inline ::testing::AssertionResult Contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "\"" << text << "\" lacks \"" << part << "\"";
}

}  // namespace tandem
