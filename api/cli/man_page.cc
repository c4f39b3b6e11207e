#include "api/cli/man_page.h"

#include <algorithm>
#include <cctype>

#include "engine/base/setting_text.h"
#include "kernels/core/check.h"

namespace tandem {

namespace {

std::string Bold(std::string_view text) { return "\\fB" + RoffText(text) + "\\fR"; }
std::string Italic(std::string_view text) { return "\\fI" + RoffText(text) + "\\fR"; }

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// A date would differ between two builds of one version; the version says more.
std::string Title(const std::string& page, std::string_view version) {
  return ".TH " + RoffText(Upper(page)) + " 1 \"\" \"tandem " + RoffText(version) +
         "\" \"Tandem manual\"\n" +
         // Names of variables must not be broken in two, and lines without breaks have holes.
         ".nh\n.ad l\n";
}

std::string Section(const std::string& heading, const std::string& body) {
  return ".SH " + heading + "\n" + body;
}

// Lines that stand beside their indented explanation, or above it.
std::string Item(const std::string& term, const std::string& body) {
  return ".TP\n" + term + "\n" + body + "\n";
}

// "--dtype auto|float32": what is typed as it stands is bold.
std::string Term(const Setting& row) {
  std::string term = (row.name == "help" ? Bold("-h") + ", " : "") + Bold("--" + row.name);
  if (CanBeTurnedOff(row)) return term + ", " + Bold("--no-" + row.name);
  if (row.kind == Setting::Kind::kSwitch) return term;
  term += " ";
  if (row.words.empty()) return term + Italic(ValueName(row));
  for (size_t i = 0; i < row.words.size(); ++i) term += (i > 0 ? "|" : "") + Bold(row.words[i]);
  return term;
}

std::string Explanation(const Settings& settings, const Setting& row) {
  std::string text = RoffText(HelpWithFacts(row));
  if (row.positional) text += "\n.br\nAn argument without a flag is this.";
  if (row.kind == Setting::Kind::kList) text += "\n.br\nMay be given more than once.";
  if (!IsRequest(row)) text += "\n.br\nVariable: " + Bold(settings.VariableOf(row.name));
  return text;
}

std::string Options(const Settings& settings) {
  std::vector<std::string> groups;
  for (const Setting& row : settings.rows()) {
    if (std::find(groups.begin(), groups.end(), row.knob.group) == groups.end()) {
      groups.push_back(row.knob.group);
    }
  }
  std::string text;
  for (const std::string& group : groups) {
    // What has no group comes first and needs no heading.
    if (!group.empty()) text += ".SS " + RoffText(group) + "\n";
    for (const Setting& row : settings.rows()) {
      if (row.knob.group == group) text += Item(Term(row), Explanation(settings, row));
    }
  }
  return text;
}

std::string Synopsis(const Command& command) {
  std::string text = Bold("tandem " + command.name) + "\n[" + Italic("flags") + "]\n";
  for (const Setting& row : command.settings->rows()) {
    if (!row.positional) continue;
    const std::string name =
        Italic(Upper(row.name)) + (row.kind == Setting::Kind::kList ? " ..." : "");
    text += (row.knob.required ? name : "[" + name + "]") + "\n";
  }
  return text;
}

// Where settings come from, said of one command or of all.
constexpr char kEnvironment[] =
    "Each flag of a command can also be set by a variable\n"
    "(\\fB\\-\\-max\\-num\\-seqs\\fR by \\fBTANDEM_MAX_NUM_SEQS\\fR)\n"
    "and by a line of the file that \\fB\\-\\-config\\fR names (\\fBmax\\-num\\-seqs: 8\\fR).\n"
    "A flag wins over a variable, a variable over the file.\n"
    "An empty variable is as good as none.\n"
    "The values of a list stand in one variable with commas between them.\n"
    ".PP\n"
    "An unknown flag, key or variable that begins with \\fBTANDEM_\\fR is an error,\n"
    "as is a value out of its range; all of them are told at once.\n"
    "Variables that begin with \\fBTANDEM_TRAIN_\\fR or \\fBTANDEM_LOADTEST_\\fR are those\n"
    "of the programs beside this one.\n";

std::string ExitStatus() {
  return Item(Bold("0"), "All went well.") + Item(Bold("1"), "The work failed.") +
         Item(Bold("2"), "The command line, its files or their combination are wrong.");
}

std::string PageName(const Command& command) { return "tandem-" + command.name; }

}  // namespace

std::string RoffText(std::string_view text) {
  // A point or an apostrophe at the start of a line would make it a request.
  std::string roff = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (const char c : text) {
    switch (c) {
      case '\\':
        roff += "\\e";
        break;
      case '-':  // as it stands: else a hyphen, which cannot be copied as a flag
        roff += "\\-";
        break;
      case '\'':  // else a closing quotation mark; likewise below
        roff += "\\(aq";
        break;
      case '`':
        roff += "\\(ga";
        break;
      case '"':
        roff += "\\(dq";
        break;
      case '^':
        roff += "\\(ha";
        break;
      case '~':
        roff += "\\(ti";
        break;
      default:
        roff += c;
    }
  }
  return roff;
}

std::string CommandManPage(const Command& command, std::string_view version) {
  CHECK(command.settings != nullptr, command.name, "has no settings to write a page about");
  return ".\\\" Printed by `tandem man " + command.name + "`.\n" +
         Title(PageName(command), version) +
         Section("NAME", RoffText(PageName(command)) + " \\- " + RoffText(command.purpose) + "\n") +
         Section("SYNOPSIS", Synopsis(command)) +
         Section("DESCRIPTION", RoffText(command.settings->summary()) + "\n") +
         Section("OPTIONS", Options(*command.settings)) + Section("ENVIRONMENT", kEnvironment) +
         Section("EXIT STATUS", ExitStatus()) + Section("SEE ALSO", ".BR tandem (1)\n");
}

std::string ProgramManPage(const std::vector<Command>& commands, std::string_view version) {
  std::string list;
  std::string pages;
  for (const Command& command : commands) {
    std::string term = Bold(command.name);
    for (size_t i = 0; i < command.words.size(); ++i) {
      term += (i > 0 ? "|" : " ") + Bold(command.words[i]);
    }
    list += Item(term, RoffText(command.purpose) +
                           (command.sister ? " (" + Bold(command.sister->program) + ")" : ""));
    if (command.settings == nullptr) continue;
    pages += (pages.empty() ? ".BR " : ",\n.BR ") + RoffText(PageName(command)) + " (1)";
  }
  return ".\\\" Printed by `tandem man`.\n" + Title("tandem", version) +
         Section("NAME", "tandem \\- serve and train language models\n") +
         Section("SYNOPSIS", Bold("tandem") + "\n" + Italic("command") + "\n[" +
                                 Italic("arguments") + "]\n.br\n" + Bold("tandem --help") +
                                 "\n.br\n" + Bold("tandem --version") + "\n") +
         Section("COMMANDS", list) + Section("ENVIRONMENT", kEnvironment) +
         Section("EXIT STATUS", ExitStatus()) + Section("SEE ALSO", pages + "\n");
}

}  // namespace tandem
