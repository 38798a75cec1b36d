"""Options that several commands have, and what their values may be."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from ..agent import AutoConfirm, Tool
from ..events import Redaction
from ..llm import FallbackClient, NamedLLM, OfflineClient, fallback
from ..llm.providers import wire
from .endings import Complaint

__all__ = [
    "AddParser",
    "add_code_option",
    "add_json_option",
    "add_llm_option",
    "add_redaction_option",
    "add_root_option",
    "add_token_option",
    "add_yes_option",
    "at_least_one",
    "auto_confirmed",
    "closing_timeout",
    "filled",
    "planning_timeout",
    "port",
    "port_or_none",
    "redaction_of",
    "seconds",
    "seconds_or_none",
    "token_of",
    "with_ids_joined",
    "words",
]

_PLANNING_TIMEOUT = 120.0
"""Seconds, at least; those of `create_agent`."""

AddParser: TypeAlias = Callable[..., argparse.ArgumentParser]
"""Makes the parser of a command: `add_parser(name, help=…, description=…)`."""


def port(text: str) -> int:
    """A TCP port; 0 is any free one."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


def port_or_none(text: str) -> int | None:
    """A TCP port, or None for `none`."""
    if text.strip().lower() == "none":
        return None
    try:
        return port(text)
    except argparse.ArgumentTypeError as exc:
        raise argparse.ArgumentTypeError(f"{exc}; or the word none") from None


def seconds(text: str) -> float:
    """A length of time in seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"seconds are a number, 0 or more, not {text!r}")
    return value


def seconds_or_none(text: str) -> float | None:
    """A length of time in seconds, or None for `none`."""
    if text.strip().lower() == "none":
        return None
    try:
        return seconds(text)
    except argparse.ArgumentTypeError as exc:
        raise argparse.ArgumentTypeError(f"{exc}; or the word none") from None


def words(text: str) -> str:
    """What to do, in words; as UTF-8 whatever the locale takes its bytes for."""
    text = os.fsencode(text).decode("utf-8", "replace")
    if not text.strip():
        raise argparse.ArgumentTypeError("the task is empty: say what to do")
    return text


def filled(text: str) -> str:
    """A value that says something: `--session "$ID"` is no new session where ID is not set."""
    if not text.strip():
        raise argparse.ArgumentTypeError("its value is empty: give one, or leave the option out")
    return text


_IDS = {"--confirmation", "--session", "--step", "--task"}
_OPTION = re.compile("-h|--[a-z-]+")


def with_ids_joined(arguments: Sequence[str]) -> list[str]:
    """Arguments in which no id that begins with a dash is taken for an option.

    An id of a session is random: `--session -x3…` is as good as `--session=-x3…`.
    """
    joined: list[str] = []
    for each in arguments:
        is_id = each.startswith("-") and not _OPTION.fullmatch(each)
        if joined and joined[-1] in _IDS and is_id:
            joined[-1] += f"={each}"
        else:
            joined.append(each)
    return joined


def at_least_one(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, not {text!r}")
    return int(text)


def auto_confirmed(names: Collection[str], tools: Sequence[Tool]) -> AutoConfirm | None:
    """The policy for names of tools and of categories, or None when nothing is named.

    Raises:
        Complaint: when there is neither a tool nor a category of a name, or both.
    """
    if not names:
        return None
    by_name, categories = {each.name for each in tools}, {each.category for each in tools}
    for name in names:
        if name not in by_name | categories:
            raise Complaint(
                f"--auto-confirm: there is no tool or category {name!r}; categories: "
                f"{', '.join(sorted(categories))}; tools: {', '.join(sorted(by_name))}"
            )
        if name in by_name & categories:
            raise Complaint(
                f"--auto-confirm: {name!r} is a category, and a tool (of an MCP server?) has "
                "that name as well; name the tools of the category one by one"
            )
    return AutoConfirm(set(names) & by_name, categories=set(names) & categories)


def add_llm_option(parser: argparse.ArgumentParser) -> None:
    """`--llm`."""
    parser.add_argument(
        "--llm",
        metavar="NAME",
        default="offline",
        help="the model that plans: offline (rules; needs no network and no key), openai or "
        "openai:MODEL (needs the extra trio_agent_rt[openai] and OPENAI_API_KEY or "
        "OPENAI_BASE_URL), anthropic or anthropic:MODEL (the same with ANTHROPIC); several, "
        "joined with commas, are asked until one answers; default: %(default)s",
    )


def planning_timeout(llm: NamedLLM) -> float:
    """Seconds to plan with a model: enough to ask it twice."""
    llms = llm.llms if isinstance(llm, FallbackClient) else (llm,)
    return max(_PLANNING_TIMEOUT, 2 * sum(getattr(each, "timeout", 0.0) for each in llms))


def closing_timeout(llm: NamedLLM) -> float:
    """Seconds that leaving a model takes at most."""
    if isinstance(llm, FallbackClient):
        return fallback.CLOSE_TIMEOUT
    return 0.0 if isinstance(llm, OfflineClient) else wire.CLOSE_TIMEOUT


def add_root_option(parser: argparse.ArgumentParser) -> None:
    """`--root`."""
    parser.add_argument(
        "--root",
        metavar="DIR",
        type=filled,
        default=".",
        help="the folder whose files the tools may use; default: the current one",
    )


def add_code_option(parser: argparse.ArgumentParser) -> None:
    """`--enable-code`."""
    parser.add_argument(
        "--enable-code",
        action="store_true",
        help="let the agent run Python that its model writes, each time after asking; the code "
        "runs as you, and can read, write and send whatever you can",
    )


def add_redaction_option(parser: argparse.ArgumentParser, whom: str = "models") -> None:
    """`--no-redaction`."""
    parser.add_argument(
        "--no-redaction",
        action="store_true",
        help=f"show {whom} the values of environment variables whose names end in _API_KEY, "
        "_TOKEN, _SECRET, _PASSWORD and the like; otherwise the name stands in their place",
    )


def redaction_of(options: argparse.Namespace) -> Redaction | None:
    """The secrets of the environment, or None with `--no-redaction`."""
    return None if options.no_redaction else Redaction.of_environment()


def add_json_option(
    parser: argparse.ArgumentParser,
    what: str = "each message as one line of JSON, as it goes over the wire",
) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help=f"print {what}")


def add_yes_option(parser: argparse.ArgumentParser) -> None:
    """`--yes`."""
    parser.add_argument(
        "--yes",
        action="store_true",
        help="approve every confirmation; otherwise you are asked in a terminal, and "
        "confirmations are rejected elsewhere",
    )


def add_token_option(
    parser: argparse.ArgumentParser, *, purpose: str = "to authenticate with"
) -> None:
    """`--token-env`."""
    parser.add_argument(
        "--token-env",
        metavar="NAME",
        type=filled,
        help=f"the environment variable that holds the token {purpose}",
    )


def token_of(options: argparse.Namespace) -> str | None:
    """The token that `--token-env` names, or None without that option.

    Raises:
        Complaint: when there is no such variable, or it is empty.
    """
    if options.token_env is None:
        return None
    token = os.environ.get(options.token_env)
    if not token:
        raise Complaint(f"--token-env: the environment has no variable {options.token_env}")
    return token
