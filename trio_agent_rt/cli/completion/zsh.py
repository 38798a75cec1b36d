"""Completion for zsh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .words import Named, Option

__all__ = ["for_zsh"]

_HEAD = """\
#compdef {program}
# Completion of {program} for zsh: eval "$({program} completion zsh)", after compinit;
# or this as a file named _{program} in a folder of $fpath.
_{function}() {{
    local context state state_descr line
    typeset -A opt_args
    _arguments -C '(- *)'{{-h,--help}}'[show the help]' '1: :->command' '*:: :->rest'
    case $state in
    command)
        local -a commands
        commands=(
"""

_TAIL = """\
        esac
        ;;
    esac
}}
if [[ $funcstack[1] == _{program} ]]; then
    _{function} "$@"
else
    compdef _{function} {program}
fi
"""


def for_zsh(program: str, commands: Sequence[Named]) -> str:
    """The script."""
    function = program.replace("-", "_")
    lines = [_HEAD.format(program=program, function=function)]
    lines += [f"            '{each.name}:{each.help}'\n" for each in commands]
    lines.append("        )\n        _describe command commands\n        ;;\n")
    lines.append("    rest)\n        case $line[1] in\n")
    for command in commands:
        specs = " ".join(_specs(command))
        lines.append(f"        {command.name}) _arguments {specs} ;;\n")
    lines.append(_TAIL.format(program=program, function=function))
    return "".join(lines)


def _specs(command: Named) -> Iterator[str]:
    for option in command.options:
        for name in option.names:
            sign = "=" if option.value != "none" and name.startswith("--") else ""
            yield f"'*{name}{sign}[{option.help}]{_value(option)}'"
    if command.words:
        yield f"'*: :({' '.join(command.words)})'"
    else:
        yield "'*: :'"


def _value(option: Option) -> str:
    match option.value:
        case "none":
            return ""
        case "choice":
            return f": :({' '.join(option.choices)})"
        case "file":
            return ": :_files"
        case "directory":
            return ": :_files -/"
        case "any":
            return ": :"
