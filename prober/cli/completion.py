"""Scripts that let a shell complete the command line."""

from collections.abc import Callable, Mapping, Sequence

from prober.cli.command import Command
from prober.cli.flags import Flag, yes_or_no

_FILES = ("FILE", "DIR")


def _names(command: Command) -> list[str]:
    return [f"--{flag.name}" for flag in command.flags]


def _values(flag: Flag) -> list[str]:
    """Return the words that a flag takes, if they are a closed set."""
    return flag.metavar.split("|") if flag.metavar and "|" in flag.metavar else []


def bash(commands: Sequence[Command]) -> str:
    """Return the script for bash."""
    cases = "\n".join(
        f"        {command.name}) words='{' '.join([*_names(command), '--help'])}' ;;"
        for command in commands
    )
    by_value = "\n".join(
        f"        --{flag.name}) words='{' '.join(_values(flag))}' ;;"
        for flag in _flags(commands)
        if _values(flag)
    )
    by_file = "|".join(f"--{flag.name}" for flag in _flags(commands) if flag.metavar in _FILES)
    return f"""\
# bash completion for prober; load it with: . <(prober completion bash)
_prober() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W '{" ".join(each.name for each in commands)} --help --version' \\
            -- "$word"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
    case $before in
        {by_file}) COMPREPLY=($(compgen -f -- "$word")); return ;;
{by_value}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -F _prober prober
"""


def zsh(commands: Sequence[Command]) -> str:
    """Return the script for zsh."""
    names = "\n".join(f"        {_quoted(f'{each.name}:{each.summary}')}" for each in commands)
    cases = "\n".join(
        f"        {command.name}) _arguments {' '.join(map(_zsh_flag, command.flags))} ;;"
        for command in commands
    )
    return f"""\
#compdef prober
# zsh completion for prober; put it as _prober into a directory of $fpath
_prober() {{
    local -a commands
    commands=(
{names}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{cases}
    esac
}}
_prober "$@"
"""


def _zsh_flag(flag: Flag) -> str:
    spec = f"--{flag.name}[{flag.doc.translate(_ZSH)}]"
    if flag.read is yes_or_no:
        return _quoted(spec)
    action = f"({' '.join(_values(flag))})" if _values(flag) else ""
    if flag.metavar in _FILES:
        action = "_files"
    return _quoted(f"{'*' if flag.several else ''}{spec}:{flag.metavar or 'value'}:{action}")


_ZSH = str.maketrans({"[": "(", "]": ")", ":": ","})


def fish(commands: Sequence[Command]) -> str:
    """Return the script for fish."""
    lines = [
        "# fish completion for prober; load it with: prober completion fish | source",
        "complete -c prober -f",
    ]
    for command in commands:
        summary = _quoted(command.summary)
        lines.append(f"complete -c prober -n __fish_use_subcommand -a {command.name} -d {summary}")
        lines.extend(_fish_flag(command.name, flag) for flag in command.flags)
    return "\n".join(lines) + "\n"


def _fish_flag(command: str, flag: Flag) -> str:
    given = f"complete -c prober -n '__fish_seen_subcommand_from {command}' -l {flag.name}"
    takes = "" if flag.read is yes_or_no else " -r"
    if _values(flag):
        takes = f" -x -a {_quoted(' '.join(_values(flag)))}"
    elif flag.metavar in _FILES:
        takes = " -r -F"
    return f"{given}{takes} -d {_quoted(flag.doc)}"


def _flags(commands: Sequence[Command]) -> list[Flag]:
    return list({flag.name: flag for command in commands for flag in command.flags}.values())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


SHELLS: Mapping[str, Callable[[Sequence[Command]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
"""What makes the script for each shell."""
