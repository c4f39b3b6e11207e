#include "api/cli/command_settings.h"

#include "api/cli/chat_options.h"
#include "api/cli/generate_options.h"
#include "api/cli/inspect_options.h"
#include "api/cli/serve_options.h"

namespace tandem {

namespace {

template <typename Options>
void Ignore(Settings& settings, void (*add)(Settings&, Options&)) {
  Options options;
  Settings other("", "");
  add(other, options);
  settings.IgnoreVariablesOf(other);
}

}  // namespace

void IgnoreOtherCommands(Settings& settings) {
  Ignore(settings, AddChatSettings);
  Ignore(settings, AddServeSettings);
  Ignore(settings, AddGenerateSettings);
  Ignore(settings, AddInspectSettings);
}

}  // namespace tandem
