// bash 4 or newer, with or without the package bash-completion. bash shows no help beside a flag,
// so the script has none.

#include <algorithm>
#include <string>
#include <vector>

#include "api/cli/completion_scripts.h"
#include "engine/base/setting_text.h"

namespace tandem {

namespace {

// Bash finds the function of `tandem` also for ./tandem and other paths that end so. Where the
// cursor stands in --flag=value, bash hands over three words.
constexpr char kBegin[] =
    R"sh(# Completes command lines of tandem. Printed by `tandem completion bash`.

# Offers those of the arguments that begin with what is being typed.
_tandem_offer() {
  local word
  for word in "$@"; do
    if [[ $word == "$cur"* ]]; then COMPREPLY+=("$word"); fi
  done
}
)sh";

constexpr char kEnd[] = R"sh(
_tandem() {
  local cur=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]}
  if [[ $cur == = ]]; then
    cur=
  elif [[ $flag == = ]]; then
    flag=${COMP_WORDS[COMP_CWORD-2]}
  fi
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _tandem_commands
  elif declare -F "_tandem__${COMP_WORDS[1]}" >/dev/null; then
    "_tandem__${COMP_WORDS[1]}"
  fi
}

complete -F _tandem tandem
)sh";

std::string Function(const std::string& name, const std::string& body) {
  return "\n" + name + "() {\n" + body + "}\n";
}

std::string Offer(const std::vector<std::string>& words, const std::string& indent) {
  std::string text = indent + "_tandem_offer";
  size_t columns = text.size();
  for (const std::string& word : words) {
    const std::string quoted = ShellWord(word);
    if (columns + quoted.size() > 96) {
      text += " \\\n" + indent + " ";
      columns = indent.size() + 1;
    }
    text += " " + quoted;
    columns += quoted.size() + 1;
  }
  return text + "\n";
}

// What completes a value of this kind, as a command; words are another matter.
std::string Files(ValueKind kind) {
  switch (kind) {
    case ValueKind::kFile:
      return "compopt -o default";
    case ValueKind::kDirectory:
      return "compopt -o dirnames";
    case ValueKind::kWord:
    case ValueKind::kText:
      return "";
  }
  return "";
}

// "--port | --host": the flags whose value is of this kind; switches have none.
std::string FlagsOfKind(const Settings& settings, ValueKind kind) {
  std::string flags;
  for (const Setting& row : settings.rows()) {
    if (row.kind == Setting::Kind::kSwitch || KindOfValue(row) != kind) continue;
    flags += (flags.empty() ? "--" : " | --") + row.name;
  }
  return flags;
}

// Of the first of the arguments without a flag: commands have one at most, or a list of one kind.
std::string Positional(const Settings& settings) {
  for (const Setting& row : settings.rows()) {
    if (!row.positional) continue;
    if (!row.words.empty()) return Offer(row.words, "        ");
    const std::string files = Files(KindOfValue(row));
    return files.empty() ? "" : "        " + files + "\n";
  }
  return "";
}

std::vector<std::string> FlagsOf(const Settings& settings) {
  std::vector<std::string> flags;
  for (const Setting& row : settings.rows()) {
    flags.push_back("--" + row.name);
    if (CanBeTurnedOff(row)) flags.push_back("--no-" + row.name);
  }
  return flags;
}

std::string OfSettings(const Settings& settings) {
  std::string body = "  case $flag in\n";
  for (const Setting& row : settings.rows()) {
    if (row.words.empty()) continue;
    body += "    --" + row.name + ")\n" + Offer(row.words, "      ") + "      ;;\n";
  }
  for (const ValueKind kind : {ValueKind::kFile, ValueKind::kDirectory, ValueKind::kText}) {
    const std::string flags = FlagsOfKind(settings, kind);
    const std::string files = Files(kind);
    if (flags.empty()) continue;
    body += "    " + flags + ") " + (files.empty() ? "" : files + " ") + ";;\n";
  }
  body += "    *)\n      if [[ $cur == -* ]]; then\n" + Offer(FlagsOf(settings), "        ");
  const std::string positional = Positional(settings);
  if (!positional.empty()) body += "      else\n" + positional;
  return body + "      fi\n      ;;\n  esac\n";
}

}  // namespace

std::string ShellWord(std::string_view text) {
  const bool bare = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_./,+").find(c) != std::string_view::npos;
  });
  if (bare) return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

std::string BashCompletion(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const Command& command : commands) names.push_back(command.name);
  names.insert(names.end(), {"--help", "--version"});
  std::string script = kBegin + Function("_tandem_commands", Offer(names, "  "));
  for (const Command& command : commands) {
    if (command.settings != nullptr) {
      script += Function("_tandem__" + command.name, OfSettings(*command.settings));
    } else if (!command.words.empty()) {
      script += Function("_tandem__" + command.name, "  if ((COMP_CWORD == 2)); then\n" +
                                                         Offer(command.words, "    ") + "  fi\n");
    } else if (command.sister) {
      script += Function("_tandem__" + command.name, "  compopt -o default\n");
    }
  }
  return script + kEnd;
}

}  // namespace tandem
