#include "engine/base/command_line.h"

#include <ostream>

#include "kernels/core/error.h"

namespace tandem {

int RunCommand(const std::string& title, const std::function<int(const CommandLine&)>& run,
               const CommandLine& line) {
  const auto fail = [&](const std::exception& error, int status) {
    line.err << title << ": " << error.what() << '\n';
    return status;
  };
  try {
    return run(line);
  } catch (const InvalidRequest& error) {
    return fail(error, kExitUsage);
  } catch (const ConfigError& error) {
    return fail(error, kExitUsage);
  } catch (const FormatError& error) {
    return fail(error, kExitUsage);
  } catch (const std::exception& error) {
    return fail(error, kExitFailure);
  }
}

}  // namespace tandem
