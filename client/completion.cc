#include "client/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/commands.h"

namespace chameleon::client {
namespace {

// In single quotes, for each of the three shells: bash and zsh write one as '\'', fish as \'.
std::string Quoted(const std::string& text, const char* quote) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += quote;
    } else {
      out += c;
    }
  }
  return out + "'";
}
constexpr char kPosixQuote[] = "'\\''";
constexpr char kFishQuote[] = "\\'";

std::vector<std::string> CommandNames() {
  std::vector<std::string> names;
  for (const Command& command : Commands()) names.push_back(command.name);
  return names;
}

std::vector<const OptionSpec*> OptionsOf(const Command& command, bool positional) {
  std::vector<const OptionSpec*> options;
  for (const OptionSpec& option : OptionSpecs()) {
    if (option.positional == positional && ShownFor(option, command.takes)) {
      options.push_back(&option);
    }
  }
  return options;
}

const char* NamesKind(Values values) {
  switch (values) {
    case Values::kConfigurations:
      return "configurations";
    case Values::kSources:
      return "sources";
    case Values::kSchemas:
      return "schemas";
    default:
      return nullptr;
  }
}

// ---- bash ----

constexpr char kBashHead[] = R"sh(# bash completion for chamctl, made by "chamctl completion bash"

# __chamctl_offer: candidates, one per line on standard input, that begin with $cur. They are never
# expanded: a name out of a file must not run anything.
__chamctl_offer() {
  local word
  while IFS= read -r word; do
    if [[ $word == "$cur"* ]]; then COMPREPLY+=("$(printf %q "$word")"); fi
  done
}

_chamctl() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command='' i value
  local -a where=()
  COMPREPLY=()
  # --option=value arrives as three words.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${COMP_WORDS[i]} in
)sh";

constexpr char kBashTail[] = R"sh(    esac
  fi
}
complete -F _chamctl chamctl
)sh";

// The process substitution keeps COMPREPLY ours; a pipe would fill that of a subshell.
std::string BashFeed(const OptionSpec& option) {
  if (option.values == Values::kChoices) {
    return fmt::format("__chamctl_offer < <(printf '%s\\n' {})", fmt::join(option.choices, " "));
  }
  if (option.values == Values::kDirectories) {
    return "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")";
  }
  if (const char* kind = NamesKind(option.values)) {
    return fmt::format(
        "__chamctl_offer < <(\"${{COMP_WORDS[0]}}\" names {} \"${{where[@]}}\" 2>/dev/null)", kind);
  }
  return ":";
}

std::string BashScript() {
  std::vector<std::string> with_value;
  std::string values;
  for (const OptionSpec& option : OptionSpecs()) {
    if (option.positional || *option.value == '\0') continue;
    with_value.push_back(fmt::format("--{}", option.name));
    values +=
        fmt::format("    --{})\n      {}\n      return\n      ;;\n", option.name, BashFeed(option));
  }
  std::string script = kBashHead;
  script += fmt::format(
      "      {})\n"
      "        value=${{COMP_WORDS[i+1]}}\n"
      "        if [[ $value == = ]]; then value=${{COMP_WORDS[i+2]}}; fi\n"
      "        case ${{COMP_WORDS[i]}} in\n"
      "          --config | --source | --home)\n"
      "            if ((i + 1 < COMP_CWORD)) && [[ -n $value && $value != \"$cur\" ]]; then\n"
      "              where+=(\"${{COMP_WORDS[i]}}\" \"$value\")\n"
      "            fi\n"
      "            ;;\n"
      "        esac\n"
      "        if [[ ${{COMP_WORDS[i+1]}} == = ]]; then ((++i)); fi\n"
      "        ((++i))\n"
      "        ;;\n"
      "      -*) ;;\n"
      "      *) if [[ -z $command ]]; then command=${{COMP_WORDS[i]}}; fi ;;\n"
      "    esac\n"
      "  done\n"
      "  case $prev in\n{}  esac\n",
      fmt::join(with_value, " | "), values);
  script += fmt::format(
      "  if [[ -z $command ]]; then\n"
      "    __chamctl_offer < <(printf '%s\\n' {} --help --version)\n"
      "  elif [[ $cur == -* ]]; then\n    case $command in\n",
      fmt::join(CommandNames(), " "));
  std::string arguments = "  else\n    case $command in\n";
  for (const Command& command : Commands()) {
    std::string names;
    for (const OptionSpec* option : OptionsOf(command, false)) {
      names += fmt::format(" --{}", option->name);
    }
    script += fmt::format("      {}) __chamctl_offer < <(printf '%s\\n'{} --help) ;;\n",
                          command.name, names);
    std::string candidates;
    for (const OptionSpec* option : OptionsOf(command, true)) {
      for (const std::string& choice : option->choices) candidates += " " + choice;
    }
    if (!candidates.empty()) {
      arguments += fmt::format("      {}) __chamctl_offer < <(printf '%s\\n'{}) ;;\n", command.name,
                               candidates);
    } else {
      arguments += fmt::format("      {}) __chamctl_offer < <(printf '%s\\n'{} --help) ;;\n",
                               command.name, names);
    }
  }
  script += "    esac\n" + arguments + kBashTail;
  return script;
}

// ---- zsh ----

constexpr char kZshHead[] = R"sh(#compdef chamctl
# zsh completion for chamctl, made by "chamctl completion zsh"

# _chamctl_names [compadd options] KIND OPTION
_chamctl_names() {
  local option value kind=$@[-2] own=$@[-1]
  local -a where names
  for option in --config --source --home; do
    value=${(Q)opt_args[$option]}
    if [[ -n $value && $option != --$own ]]; then where+=($option $value); fi
  done
  names=(${(f)"$(_call_program names ${(q)service} names $kind ${(q)where} 2>/dev/null)"})
  compadd "${(@)@[1,-3]}" -a names
}

_chamctl() {
  local curcontext=$curcontext state line ret=1
  typeset -A opt_args
  _arguments -C '--help[explain]' '--version[print the version]' '1:command:->command' \
    '*::argument:->argument' && ret=0
  case $state in
    command)
      local -a commands
      commands=(
)sh";

// In _arguments, a colon and brackets have a meaning.
std::string ZshText(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ':' || c == '[' || c == ']') out += '\\';
    out += c;
  }
  return out;
}

std::string ZshAction(const OptionSpec& option) {
  if (option.values == Values::kChoices) {
    return fmt::format("({})", fmt::join(option.choices, " "));
  }
  if (option.values == Values::kDirectories) return "_files -/";
  if (const char* kind = NamesKind(option.values)) {
    return fmt::format("_chamctl_names {} {}", kind, option.name);
  }
  return " ";
}

std::string ZshOption(const OptionSpec& option) {
  std::string text;
  if (option.positional) {
    text = fmt::format("{}:{}:{}", option.required ? "1" : "2", option.name, ZshAction(option));
  } else if (*option.value == '\0') {
    text = fmt::format("--{}[{}]", option.name, ZshText(option.help));
  } else {
    text = fmt::format("--{}=[{}]:{}:{}", option.name, ZshText(option.help), ZshText(option.value),
                       ZshAction(option));
  }
  return Quoted(text, kPosixQuote);
}

std::string ZshScript() {
  std::string script = kZshHead;
  std::string cases;
  for (const Command& command : Commands()) {
    script += fmt::format(
        "        {}\n",
        Quoted(fmt::format("{}:{}", command.name, ZshText(command.summary)), kPosixQuote));
    cases += fmt::format("        {})\n          _arguments '--help[explain]'", command.name);
    for (const bool positional : {false, true}) {
      for (const OptionSpec* option : OptionsOf(command, positional)) {
        cases += " \\\n            " + ZshOption(*option);
      }
    }
    cases += " && ret=0\n          ;;\n";
  }
  script +=
      "      )\n      _describe -t commands command commands && ret=0\n      ;;\n"
      "    argument)\n      case $line[1] in\n";
  script += cases + "      esac\n      ;;\n  esac\n  return ret\n}\n";
  // As a file of $fpath the whole script is the function's body; sourced, it registers itself.
  script +=
      "\nif [[ $funcstack[1] == _chamctl ]]; then\n  _chamctl \"$@\"\nelse\n  compdef _chamctl "
      "chamctl\nfi\n";
  return script;
}

// ---- fish ----

constexpr char kFishHead[] = R"sh(# fish completion for chamctl, made by "chamctl completion fish"
function __chamctl_names
    set -l where
    set -l tokens (commandline -opc)
    set -l program $tokens[1]
    while set -q tokens[1]
        switch $tokens[1]
            case --config --source --home
                if set -q tokens[2]
                    set -a where $tokens[1] $tokens[2]
                    set -e tokens[1]
                end
            case '--config=*' '--source=*' '--home=*'
                set -a where $tokens[1]
        end
        set -e tokens[1]
    end
    command $program names $argv $where 2>/dev/null
end
complete -c chamctl -f
complete -c chamctl -n __fish_use_subcommand -l help -d explain
complete -c chamctl -n __fish_use_subcommand -l version -d 'print the version'
)sh";

std::string FishOption(const Command& command, const OptionSpec& option) {
  std::string line =
      fmt::format("complete -c chamctl -n '__fish_seen_subcommand_from {}'", command.name);
  if (!option.positional) line += fmt::format(" -l {}", option.name);
  if (option.letter != 0) line += fmt::format(" -s {}", option.letter);
  if (!option.positional && *option.value != '\0') line += " -x";
  if (option.values == Values::kChoices) {
    line += fmt::format(" -a '{}'", fmt::join(option.choices, " "));
  } else if (option.values == Values::kDirectories) {
    line += " -a '(__fish_complete_directories)'";
  } else if (const char* kind = NamesKind(option.values)) {
    line += fmt::format(" -a '(__chamctl_names {})'", kind);
  } else if (option.positional) {
    return "";
  }
  return line + fmt::format(" -d {}\n", Quoted(option.help, kFishQuote));
}

std::string FishScript() {
  std::string script = kFishHead;
  for (const Command& command : Commands()) {
    script += fmt::format("complete -c chamctl -n __fish_use_subcommand -a {} -d {}\n",
                          command.name, Quoted(command.summary, kFishQuote));
    for (const bool positional : {true, false}) {
      for (const OptionSpec* option : OptionsOf(command, positional)) {
        script += FishOption(command, *option);
      }
    }
  }
  return script;
}

}  // namespace

std::string CompletionScript(const std::string& shell) {
  if (shell == "bash") return BashScript();
  if (shell == "zsh") return ZshScript();
  if (shell == "fish") return FishScript();
  return "";
}

}  // namespace chameleon::client
