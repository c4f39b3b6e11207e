// zsh 5, over its own _arguments and _describe.

#include <string>
#include <string_view>
#include <vector>

#include "api/cli/completion_scripts.h"
#include "engine/base/setting_text.h"

namespace tandem {

namespace {

// Found in $fpath, the file is the body of the function _tandem and runs at the first completion.
// When sourced it only makes the functions known.
constexpr char kEnd[] = R"sh(
_tandem() {
  local curcontext=$curcontext state line ret=1
  typeset -A opt_args
  _arguments -C \
    '(- *)'{-h,--help}'[list the commands]' \
    '(- *)--version[print the version]' \
    '1: :_tandem_commands' \
    '*:: :->arguments' && ret=0
  if [[ $state == arguments ]] && (( $+functions[_tandem__$words[1]] )); then
    _tandem__$words[1] && ret=0
  fi
  return ret
}

if [[ $funcstack[1] == _tandem ]]; then
  _tandem "$@"
else
  compdef _tandem tandem
fi
)sh";

std::string Escaped(std::string_view text, std::string_view special) {
  std::string escaped;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// Always between apostrophes, which reads better in a list than only where they are needed.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string Explanation(const std::string& help) { return "[" + Escaped(help, "\\[]") + "]"; }

// "(cpu cuda)"; _arguments reads it as a list of shell words, after it took the colons.
std::string Choice(const std::vector<std::string>& words) {
  std::string choice;
  for (const std::string& word : words) choice += (choice.empty() ? "" : " ") + ShellWord(word);
  return "(" + Escaped(choice, ":") + ")";
}

std::string Action(const Setting& row) {
  switch (KindOfValue(row)) {
    case ValueKind::kWord:
      return Choice(row.words);
    case ValueKind::kFile:
      return "_files";
    case ValueKind::kDirectory:
      return "_files -/";
    case ValueKind::kText:
      return " ";  // nothing to offer; the message is shown
  }
  return "";
}

// ":DIR:_files -/"
std::string Value(const Setting& row) {
  const std::string message = row.words.empty() ? ValueName(row) : row.name;
  return ":" + Escaped(message, "\\:") + ":" + Action(row);
}

// The specifications of a row: its flag, the flag with no-, the argument without a flag.
std::vector<std::string> Specifications(const Setting& row) {
  const std::string flag = "--" + row.name;
  const std::string explanation = Explanation(row.knob.help);
  if (CanBeTurnedOff(row)) {
    const std::string no_flag = "--no-" + row.name;
    const std::string either = "(" + flag + " " + no_flag + ")";
    return {either + flag + explanation, either + no_flag + Explanation("turn " + flag + " off")};
  }
  if (row.kind == Setting::Kind::kSwitch) return {flag + explanation};
  const bool is_list = row.kind == Setting::Kind::kList;
  std::vector<std::string> specifications = {(is_list ? "*" : "") + flag + "=" + explanation +
                                             Value(row)};
  if (row.positional) specifications.push_back((is_list ? "*" : ":") + Value(row));
  return specifications;
}

std::string OfSettings(const Settings& settings) {
  std::string body = "  _arguments";
  for (const Setting& row : settings.rows()) {
    for (const std::string& specification : Specifications(row)) {
      body += " \\\n    " + Quoted(specification);
    }
  }
  return body + "\n";
}

std::string Function(const std::string& name, const std::string& body) {
  return "\n" + name + "() {\n" + body + "}\n";
}

std::string ListOfCommands(const std::vector<Command>& commands) {
  std::string body = "  local -a commands=(\n";
  for (const Command& command : commands) {
    body += "    " + Quoted(Escaped(command.name, "\\:") + ":" + command.purpose) + "\n";
  }
  return body + "  )\n  _describe -t commands command commands\n";
}

}  // namespace

std::string ZshCompletion(const std::vector<Command>& commands) {
  std::string script =
      "#compdef tandem\n"
      "# Completes command lines of tandem. Printed by `tandem completion zsh`.\n";
  script += Function("_tandem_commands", ListOfCommands(commands));
  for (const Command& command : commands) {
    if (command.settings != nullptr) {
      script += Function("_tandem__" + command.name, OfSettings(*command.settings));
    } else if (!command.words.empty()) {
      script += Function("_tandem__" + command.name,
                         "  _arguments " + Quoted("1: :" + Choice(command.words)) + "\n");
    } else if (command.sister) {
      script += Function("_tandem__" + command.name, "  _files\n");
    }
  }
  return script + kEnd;
}

}  // namespace tandem
