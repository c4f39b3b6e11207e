// fish 3.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "api/cli/completion_scripts.h"
#include "engine/base/setting_text.h"

namespace tandem {

namespace {

constexpr char kBegin[] =
    R"sh(# Completes command lines of tandem. Printed by `tandem completion fish`.

function __tandem_needs_command
    test (count (commandline -opc)) -eq 1
end

function __tandem_runs
    set -l words (commandline -opc)
    test (count $words) -ge 2 -a "$words[2]" = "$argv[1]"
end

complete -c tandem -f
complete -c tandem -n __tandem_needs_command -s h -l help -d 'list the commands'
complete -c tandem -n __tandem_needs_command -l version -d 'print the version'
)sh";

// Between apostrophes fish knows these two escapes and nothing else.
std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

// A list of words for --arguments, which fish expands once more when it completes.
std::string Words(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) {
    const bool bare = std::all_of(word.begin(), word.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
    list += (list.empty() ? "" : " ") + (bare && !word.empty() ? word : Quoted(word));
  }
  return Quoted(list);
}

constexpr char kDirectories[] = "'(__fish_complete_directories)'";

// -x: a value and nothing else; -r: a value, and files by -F.
std::string ValueOptions(const Setting& row) {
  switch (KindOfValue(row)) {
    case ValueKind::kWord:
      return " -x -a " + Words(row.words);
    case ValueKind::kFile:
      return " -r -F";
    case ValueKind::kDirectory:
      return std::string(" -x -a ") + kDirectories;
    case ValueKind::kText:
      return " -x";
  }
  return "";
}

std::string PositionalOptions(const Setting& row) {
  switch (KindOfValue(row)) {
    case ValueKind::kWord:
      return " -a " + Words(row.words);
    case ValueKind::kFile:
      return " -F";
    case ValueKind::kDirectory:
      return std::string(" -a ") + kDirectories;
    case ValueKind::kText:
      return "";
  }
  return "";
}

std::string Line(const std::string& command, const std::string& options) {
  return "complete -c tandem -n " + Quoted("__tandem_runs " + command) + options + "\n";
}

std::string OfRow(const std::string& command, const Setting& row) {
  const std::string help = " -d " + Quoted(row.knob.help);
  if (row.kind == Setting::Kind::kSwitch) {
    std::string lines = Line(command, " -l " + row.name + help);
    if (CanBeTurnedOff(row)) {
      lines += Line(command, " -l no-" + row.name + " -d " + Quoted("turn --" + row.name + " off"));
    }
    return lines;
  }
  std::string lines = Line(command, " -l " + row.name + ValueOptions(row) + help);
  const std::string positional = row.positional ? PositionalOptions(row) : "";
  if (!positional.empty()) lines += Line(command, positional);
  return lines;
}

}  // namespace

std::string FishCompletion(const std::vector<Command>& commands) {
  std::string script = kBegin;
  for (const Command& command : commands) {
    script += "complete -c tandem -n __tandem_needs_command -a " + Words({command.name}) + " -d " +
              Quoted(command.purpose) + "\n";
  }
  for (const Command& command : commands) {
    script += "\n";
    if (command.settings != nullptr) {
      for (const Setting& row : command.settings->rows()) script += OfRow(command.name, row);
    } else if (!command.words.empty()) {
      script += Line(command.name, " -a " + Words(command.words));
    } else if (command.sister) {
      script += Line(command.name, " -F");
    }
  }
  return script;
}

}  // namespace tandem
