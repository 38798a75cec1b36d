"""Several models, one after the other, until one answers."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import trio
from attrs import define, field

from ..agent.llm import LLMClient, LLMRequest, LLMResponse, LLMStream
from ..errors import LLMError, LLMRefused

__all__ = ["CLOSE_TIMEOUT", "FallbackClient"]

_log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 5.0
"""Seconds that closing all of them takes at most."""

T = TypeVar("T")


@define
class _Choice:
    """One of the clients, which may still have to be made ready."""

    llm: LLMClient
    _entered: bool = field(init=False, default=False)
    _entering: trio.Lock = field(init=False, factory=trio.Lock)
    _failure: LLMError | None = field(init=False, default=None)
    _failed_at: float = field(init=False, default=-math.inf)

    async def enter(self, stack: AsyncExitStack) -> None:
        """Make it ready if it is not; whoever waits meanwhile shares what comes of that.

        Raises:
            LLMError: when it cannot be used now.
        """
        asked_at = trio.current_time()
        async with self._entering:
            if self._failure is not None and self._failed_at > asked_at:
                raise LLMError(str(self._failure))
            if not self._entered and isinstance(self.llm, AbstractAsyncContextManager):
                try:
                    await stack.enter_async_context(
                        cast("AbstractAsyncContextManager[object]", self.llm)
                    )
                except LLMError as exc:
                    self._failure, self._failed_at = exc, trio.current_time()
                    raise
            self._entered = True

    def left(self) -> None:
        """It was closed."""
        self._entered = False


class FallbackClient:
    """An `LLMClient` that asks the next model when one fails.

    ```python
    async with FallbackClient(OpenAIClient(), AnthropicClient(), OfflineClient()) as llm:
        ...
    ```

    Every `LLMError` falls over: an outage, a rate limit, a missing key, an answer of no use,
    and also a bad request, since what one model finds too long or too odd another may take;
    if the request itself is bad, all say so. `LLMRefused` does not: that is an answer, and
    another model is not asked to give what one has refused. Nor does any other exception.

    Each failure is a warning in the log. Nothing else is remembered: the next request asks
    the first model first again.

    Args:
        llms: the clients, best first, not entered yet: entering this one enters them, and
            leaving it closes them. One that cannot be made ready is tried again when it is
            its turn.
    """

    def __init__(self, *llms: LLMClient) -> None:
        if not llms:
            raise ValueError("give at least one client")
        self.llms: tuple[LLMClient, ...] = llms
        """The clients, best first."""
        self._choices = [_Choice(each) for each in llms]
        self._stack: AsyncExitStack | None = None

    @property
    def name(self) -> str:
        """The names of all of them."""
        return ", else ".join(each.name for each in self.llms)

    def __repr__(self) -> str:
        return f"FallbackClient({', '.join(repr(each) for each in self.llms)})"

    async def __aenter__(self) -> Self:
        """Make the clients ready.

        Raises:
            LLMError: when that is possible for none of them.
        """
        async with AsyncExitStack() as stack:
            failures: list[tuple[str, LLMError]] = []
            for each in self._choices:
                try:
                    await each.enter(stack)
                except LLMError as exc:
                    failures.append((each.llm.name, exc))
            if len(failures) == len(self._choices):
                raise _all_failed(failures)
            for name, exc in failures:
                _log.warning("%s cannot be used now: %s", name, exc)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the clients."""
        stack, self._stack = self._stack, None
        for each in self._choices:
            each.left()
        if stack is not None:
            with trio.move_on_after(CLOSE_TIMEOUT, shield=True):
                await stack.aclose()

    async def complete(self, request: LLMRequest) -> LLMResponse:
        """The first whole answer that one of them gives.

        Raises:
            LLMError: when none does; the text names each.
            LLMRefused: when one refused.
            RuntimeError: outside of `async with`.

        Cancellation: as `LLMClient.complete`; no other is asked.
        """

        async def ask(llm: LLMClient) -> LLMResponse:
            return await llm.complete(request)

        return await self._first(ask)

    @asynccontextmanager
    async def stream(self, request: LLMRequest) -> AsyncGenerator[LLMStream]:
        """The answer of the first that begins one, while it comes; see `LLMClient.stream`.

        Entering waits for the first piece of text, or for the end of an answer without
        any. What fails after that fails for good: pieces that were given out cannot be
        taken back.

        Raises:
            LLMError: as `complete`, and when the answer breaks off.

        Cancellation: as `complete`.
        """
        async with AsyncExitStack() as stack:

            async def ask(llm: LLMClient) -> _Begun:
                async with AsyncExitStack() as attempt:
                    begun = _Begun(await attempt.enter_async_context(llm.stream(request)))
                    await begun.begin()
                    stack.push_async_exit(attempt.pop_all().__aexit__)
                    return begun
                raise AssertionError("a client's stream swallowed an exception")

            yield await self._first(ask)

    async def _first(self, ask: Callable[[LLMClient], Awaitable[T]]) -> T:
        stack = self._stack
        failures: list[tuple[str, LLMError]] = []
        for each in self._choices:
            if stack is None or stack is not self._stack:  # it may have been left meanwhile
                raise RuntimeError("FallbackClient answers inside of `async with` only")
            try:
                await each.enter(stack)
                return await ask(each.llm)
            except LLMRefused:
                raise
            except LLMError as exc:
                failures.append((each.llm.name, exc))
                _log.warning("%s failed: %s", each.llm.name, exc)
        raise _all_failed(failures)


def _all_failed(failures: list[tuple[str, LLMError]]) -> LLMError:
    if len(failures) == 1:
        return failures[0][1]
    each = "; ".join(f"{name}: {exc}" for name, exc in failures)
    return LLMError(f"no model could be used: {each}")


@define
class _Begun:
    """An answer whose first piece has come."""

    _rest: LLMStream
    _pieces: AsyncIterator[str] = field(init=False)
    _first: list[str] = field(init=False, factory=list[str])

    def __attrs_post_init__(self) -> None:
        self._pieces = aiter(self._rest)

    async def begin(self) -> None:
        """Wait for the first piece."""
        with suppress(StopAsyncIteration):
            self._first.append(await anext(self._pieces))

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        if self._first:
            await trio.lowlevel.checkpoint()
            return self._first.pop()
        return await anext(self._pieces)

    @property
    def response(self) -> Any:
        """The whole answer; see `LLMStream.response`."""
        if self._first:
            raise RuntimeError("the answer is not over yet: iterate over it to its end")
        return self._rest.response
