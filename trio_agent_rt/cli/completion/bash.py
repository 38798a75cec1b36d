"""Completion for bash, of 3.2 and later."""

from __future__ import annotations

from collections.abc import Sequence

from .words import Named, Option

__all__ = ["for_bash"]

_HEAD = """\
# Completion of {program} for bash: eval "$({program} completion bash)"
_{function}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command= words= i
    local IFS=$'\\n'
    COMPREPLY=()
    # --option=value comes in three words.
    if [[ $current == = ]]; then
        current=
    elif [[ $before == = ]]; then
        before=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
        -*) ;;
        *) command=${{COMP_WORDS[i]}}; break ;;
        esac
    done
    case "$command $before" in
"""

_MIDDLE = """\
    esac
    case $command in
"""

_TAIL = """\
    '') words=$'{commands}' ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _{function} {program}
"""


def for_bash(program: str, commands: Sequence[Named]) -> str:
    """The script."""
    function = program.replace("-", "_")
    lines = [_HEAD.format(program=program, function=function)]
    for command in commands:
        for option in command.options:
            if option.value != "none":
                patterns = "|".join(f"'{command.name} {each}'" for each in option.names)
                lines.append(f"    {patterns}) {_offer(option)}return ;;\n")
    lines.append(_MIDDLE)
    for command in commands:
        names = [name for option in command.options for name in option.names]
        words = "\\n".join([*command.words, *names])
        lines.append(f"    {command.name}) words=$'{words}' ;;\n")
    told = "\\n".join([*(each.name for each in commands), "-h", "--help"])
    lines.append(_TAIL.format(program=program, function=function, commands=told))
    return "".join(lines)


def _offer(option: Option) -> str:
    match option.value:
        case "choice":
            words = "\\n".join(option.choices)
            return f"COMPREPLY=($(compgen -W $'{words}' -- \"$current\")); "
        case "file" | "directory":
            kind = "f" if option.value == "file" else "d"
            files = f'COMPREPLY=($(compgen -{kind} -- "$current")); '
            return f"compopt -o filenames 2>/dev/null; {files}"
        case _:
            return ""
