"""What kind of server is meant: a program, or an address."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from attrs import field, frozen

__all__ = ["Address", "Given", "Program", "Server", "Target", "target_of"]

Server: TypeAlias = str | Sequence[str | os.PathLike[str]] | AbstractAsyncContextManager[Any]
"""A command line, an argv, a URL, or a transport of the SDK's."""


@frozen
class Program:
    """A server that is run here, and speaks over its stdin and stdout."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    cwd: str | os.PathLike[str] | None

    @property
    def name(self) -> str:
        """For messages."""
        return os.path.basename(self.argv[0])


@frozen
class Address:
    """A server that runs somewhere, and speaks HTTP."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @property
    def name(self) -> str:
        """For messages: without what may be a secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@frozen
class Given:
    """A transport of the SDK's, as the application has made it."""

    transport: AbstractAsyncContextManager[Any]
    name: str = "the MCP server"


Target: TypeAlias = Program | Address | Given
"""One of the three kinds of server."""


def target_of(
    server: Server,
    *,
    env: Mapping[str, str] | None,
    cwd: str | os.PathLike[str] | None,
    headers: Mapping[str, str] | None,
) -> Target:
    """What `server` means.

    Raises:
        ValueError: when it means nothing, or another argument is not for its kind.
    """
    if isinstance(server, AbstractAsyncContextManager):
        if env is not None or cwd is not None or headers is not None:
            raise ValueError("env, cwd and headers are not for a transport, which is made already")
        return Given(server)
    if isinstance(server, str) and server.partition("://")[0].lower() in {"http", "https"}:
        if env is not None or cwd is not None:
            raise ValueError("env and cwd are for a command, not for a URL")
        if not urlsplit(server).hostname:
            raise ValueError(f"the URL names no host: {server!r}")
        return Address(server, dict(headers or {}))
    if headers is not None:
        raise ValueError("headers are for a URL, not for a command")
    argv = shlex.split(server) if isinstance(server, str) else [os.fspath(each) for each in server]
    if not argv:
        raise ValueError("the command is empty: its first word is the program")
    return Program(argv, dict(env or {}), cwd)
