"""Where everything is, below the prefix that a blueprint is mounted at."""

from __future__ import annotations

from typing import Any

import attrs
from attrs import Attribute, field, frozen

__all__ = ["SSEPaths"]


def _is_path(_: object, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not value.startswith("/") or set(value) & set("?#<>"):
        raise ValueError(
            f"{attribute.name} must begin with / and have no query and no <placeholder>, "
            f"not {value!r}"
        )


def _path(default: str) -> str:
    return field(default=default, validator=_is_path)


@frozen(kw_only=True)
class SSEPaths:
    """The path of each resource.

    Args:
        stream: `GET`: the events of a session, as a `text/event-stream`.
        task: `POST`: submit a task.
        cancel: `POST`: cancel tasks; answered when their work has ended.
        confirm: `POST`: answer a question.
        tools: `GET`: what the agent can use.
        state: `GET`: the present state of a client's session.
        sessions: `GET`: the caller's own sessions, if the server asks who somebody is.
        ticket: `POST`: a ticket, which stands for the caller once.
        health: `GET`: whether the server takes new work; `live_path`, below it: whether it
            runs.

    Raises:
        ValueError: when one is not a path, or two are the same.
    """

    stream: str = _path("/sse")
    task: str = _path("/task")
    cancel: str = _path("/cancel")
    confirm: str = _path("/confirm")
    tools: str = _path("/tools")
    state: str = _path("/state")
    sessions: str = _path("/sessions")
    ticket: str = _path("/ticket")
    health: str = _path("/health")

    def __attrs_post_init__(self) -> None:
        paths: list[str] = [*attrs.asdict(self).values(), self.live_path]
        twice = {each for each in paths if paths.count(each) > 1}
        if twice:
            raise ValueError(f"two resources cannot have the same path: {', '.join(sorted(twice))}")

    @property
    def live_path(self) -> str:
        """`GET`: answered for as long as the server runs: `/health/live`."""
        return f"{self.health.rstrip('/')}/live"
