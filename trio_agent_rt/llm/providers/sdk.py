"""The little that is needed of a provider's SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias

from attrs import field, frozen

__all__ = ["SDK", "Ask", "SDKResponse"]


class SDKResponse(Protocol):
    """An HTTP response whose body is still to be read."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, in any case."""
        ...

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body, decoded."""
        ...


Ask: TypeAlias = Callable[[], AbstractAsyncContextManager[SDKResponse]]
"""Sends a question, once: entering what it gives waits for the response to begin."""


@frozen(kw_only=True)
class SDK:
    """A client of an SDK, which tries nothing again and waits without a bound of its own."""

    ask: Callable[..., AbstractAsyncContextManager[Any]] = field(repr=False)
    """Given the fields of a question."""
    models: Callable[[], AbstractAsyncContextManager[Any]] = field(repr=False)
    close: Callable[[], Awaitable[object]] = field(repr=False)
    status_error: type[Exception]
    """Raised for an HTTP answer that is an error."""
