// tandem help: the list of commands.

#include <ostream>

#include "api/cli/command_line.h"
#include "api/cli/command_settings.h"

namespace tandem {

int Help(const CommandLine& line) {
  line.out << CommandOverview(Commands());
  return 0;
}

}  // namespace tandem
