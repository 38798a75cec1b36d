"""Asking with an SDK: again where that may help, and with whatever goes wrong in one sentence."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

import trio
from attrs import define, field

from ...errors import LLMError
from ...streams import Draining
from .endpoint import Endpoint
from .failures import not_reached, status_failure
from .sdk import SDK, Ask, SDKResponse

__all__ = ["CLOSE_TIMEOUT", "Body", "Wire"]

_log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 2.0
"""Seconds for closing a connection; there is nothing to lose in it."""

_REST_TIMEOUT = 0.1
"""Seconds for the end of a body whose stream is over: after it the connection can be used again."""

_MAX_BODY_BYTES = 64 * 1024 * 1024

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 8.0
"""Seconds before something is tried again, where the server does not say; the SDKs' own."""

_LOADING_DELAY = 1.0
"""Seconds before a server that is loading its model is asked again; that takes from one
second to minutes, and the time for an answer is what ends it."""

T = TypeVar("T")


@define
class Body:
    """The bytes of a response that has begun. Leaving it closes the connection, at once."""

    _endpoint: Endpoint
    _model: str
    _context: AbstractAsyncContextManager[SDKResponse]
    _response: SDKResponse
    _chunks: AsyncIterator[bytes] = field(init=False)
    wanted: bool = field(init=False, default=True)
    """False when all is known: what is left on the way is read then, if it comes at once."""

    def __attrs_post_init__(self) -> None:
        self._chunks = aiter(self._response.iter_bytes())

    @property
    def is_event_stream(self) -> bool:
        """Whether it says that it is a stream of events."""
        return self._response.headers.get("content-type", "").startswith("text/event-stream")

    async def chunk(self) -> bytes | None:
        """Some bytes, or None at the end.

        Raises:
            LLMError: when it breaks off.

        Cancellation: the body is over.
        """
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            return None
        except Exception as exc:  # of the HTTP library that the SDK uses, whichever that is
            raise self._endpoint.broke_off(self._model, str(exc) or type(exc).__name__) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with trio.move_on_after(CLOSE_TIMEOUT, shield=True):
            async with Draining(self._chunks):
                if not self.wanted and exc is None:
                    with trio.move_on_after(_REST_TIMEOUT):
                        await self._read_on()
            await self._context.__aexit__(None, None, None)

    async def _read_on(self) -> None:
        try:
            while await self.chunk() is not None:
                pass
        except LLMError:
            pass  # nobody wanted it


@define(kw_only=True)
class Wire:
    """A server, and how patiently it is asked."""

    endpoint: Endpoint
    sdk: SDK
    max_retries: int
    max_retry_delay: float

    async def aclose(self) -> None:
        """Close its connections."""
        with trio.move_on_after(CLOSE_TIMEOUT, shield=True):
            await self.sdk.close()

    async def whole(self, ask: Ask, *, model: str) -> bytes:
        """The body of an answer.

        Raises:
            LLMError: when there is none.
        """

        async def attempt() -> bytes:
            async with await self._begin(ask, model) as body:
                whole = bytearray()
                while (chunk := await body.chunk()) is not None:
                    whole += chunk
                    if len(whole) > _MAX_BODY_BYTES:
                        raise self.endpoint.not_the_format()
                body.wanted = False
                return bytes(whole)

        return await self._retrying(attempt)

    async def begun(self, ask: Ask, *, model: str) -> Body:
        """An answer that has begun; it has to be entered.

        Raises:
            LLMError: when there is none.
        """

        async def attempt() -> Body:
            return await self._begin(ask, model)

        return await self._retrying(attempt)

    async def _retrying(self, attempt: Callable[[], Awaitable[T]]) -> T:
        failed = 0
        while True:
            try:
                return await attempt()
            except LLMError as exc:
                delay = self._delay(exc, failed)
                if delay is None:
                    raise
                _log.info("%s; asking again in %.1f s", exc, delay)
                failed += not self._waits_for_model(exc)
            await trio.sleep(delay)

    def _delay(self, exc: LLMError, failed: int) -> float | None:
        """Seconds before the next attempt, or None if there is none."""
        retryable: bool = getattr(exc, "retryable", False)
        asked_for: float | None = getattr(exc, "retry_after", None)
        if not retryable or failed >= self.max_retries:
            return None
        if self._waits_for_model(exc):
            return _LOADING_DELAY
        if asked_for is not None:
            return asked_for if asked_for <= self.max_retry_delay else None
        longest = min(_LONGEST_DELAY, self.max_retry_delay, _FIRST_DELAY * 2.0 ** min(failed, 10))
        return longest * random.uniform(0.5, 1.0)

    def _waits_for_model(self, exc: LLMError) -> bool:
        return getattr(exc, "loading", False) and self.max_retry_delay >= _LOADING_DELAY

    async def _begin(self, ask: Ask, model: str) -> Body:
        context = ask()
        try:
            response = await context.__aenter__()
        except self.sdk.status_error as exc:
            status = _Status.of(exc)
            raise status_failure(
                self.endpoint, model, status.code, status.headers, status.body
            ) from None
        except Exception as exc:
            raise not_reached(self.endpoint, exc) from None
        return Body(self.endpoint, model, context, response)


@define
class _Status:
    """What both SDKs tell of an HTTP answer that is an error."""

    code: int
    headers: Any
    body: object

    @classmethod
    def of(cls, error: Exception) -> _Status:
        exc: Any = error
        return cls(exc.status_code, exc.response.headers, exc.body or exc.response.text)
