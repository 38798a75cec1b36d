"""What every provider's client does in the same way."""

from __future__ import annotations

import importlib
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self, cast

import trio
from attrs import define, field

from ...agent.llm import LLMRequest, LLMResponse, LLMStream
from ...errors import LLMError
from .dialect import Dialect
from .draft import Draft
from .endpoint import Endpoint, Provider, ProviderFailed
from .sdk import SDK, Ask
from .sse import EventDecoder, StreamTooLarge
from .wire import Body, Wire

__all__ = ["ProviderClient"]


class _SDKModule(Protocol):
    """The half of a client that needs a package."""

    def open_sdk(self, endpoint: Endpoint, http_client: object | None) -> SDK:
        """A client of the SDK's."""
        ...


@define(kw_only=True)
class _Ready:
    """What a client has while it is entered."""

    dialect: Dialect
    wire: Wire

    def ask(self, question: dict[str, Any]) -> Ask:
        return partial(self.wire.sdk.ask, **question)


class ProviderClient(ABC):
    """The base of `OpenAIClient` and `AnthropicClient`, which document its parameters."""

    def __init__(
        self,
        provider: Provider,
        *,
        api_key: str | None,
        base_url: str | None,
        model: str | None,
        timeout: float | None,
        first_piece_timeout: float | None,
        piece_timeout: float,
        max_retries: int,
        max_retry_delay: float,
        http_client: object | None,
    ) -> None:
        hint = f"; {provider.name.upper()}_TIMEOUT gives it longer"
        self._hints = ("" if timeout else hint, "" if first_piece_timeout else hint)
        timeout = provider.seconds(timeout)
        first_piece_timeout = provider.seconds(first_piece_timeout)
        for name, seconds in (
            ("timeout", timeout),
            ("first_piece_timeout", first_piece_timeout),
            ("piece_timeout", piece_timeout),
        ):
            if not seconds > 0:
                raise ValueError(f"{name} must be more than 0 seconds, not {seconds}")
        if max_retries < 0:
            raise ValueError(f"max_retries must be 0 or more, not {max_retries}")
        if not max_retry_delay >= 0:
            raise ValueError(f"max_retry_delay must be 0 seconds or more, not {max_retry_delay}")
        self.timeout = timeout
        self.first_piece_timeout = first_piece_timeout
        self.piece_timeout = piece_timeout
        self.max_retries = max_retries
        self.max_retry_delay = max_retry_delay
        self._provider = provider
        self._api_key = api_key
        self._base_url = base_url
        self._given_model = model
        self._http_client = http_client
        self._ready: _Ready | None = None

    @property
    def model(self) -> str | None:
        """Which model answers; None before the client is entered, if none was named."""
        return self._ready.dialect.model if self._ready else self._given_model

    @property
    def name(self) -> str:
        """The provider and, once it is known, the model, as in `openai:gpt-4o-mini`."""
        return f"{self._provider.name}:{self.model}" if self.model else self._provider.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r})"

    @abstractmethod
    def _dialect(self, endpoint: Endpoint, model: str) -> Dialect:
        """What the provider's format is."""

    @abstractmethod
    async def _default_model(self, wire: Wire) -> str:
        """Which model answers when neither a parameter nor the environment names one."""

    async def __aenter__(self) -> Self:
        """Make it ready.

        Raises:
            LLMError: when the package, the key or a model is missing, or the address is none.
        """
        endpoint = self._provider.endpoint(api_key=self._api_key, base_url=self._base_url)
        module = await _import_sdk(self._provider.name)
        wire = Wire(
            endpoint=endpoint,
            sdk=module.open_sdk(endpoint, self._http_client),
            max_retries=self.max_retries,
            max_retry_delay=self.max_retry_delay,
        )
        model = self._provider.setting(self._given_model, "MODEL")
        async with AsyncExitStack() as failed:
            failed.push_async_callback(wire.aclose)
            model = model or await self._found_model(wire)
            failed.pop_all()
        self._ready = _Ready(dialect=self._dialect(endpoint, model), wire=wire)
        return self

    async def _found_model(self, wire: Wire) -> str:
        with trio.move_on_after(self.timeout):
            return await self._default_model(wire)
        late = f"{wire.endpoint.where} did not answer within {self.timeout:g} s"
        raise LLMError(late + self._hints[0])

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close its connections, at once; what is under way fails."""
        ready, self._ready = self._ready, None
        if ready is not None:
            await ready.wire.aclose()

    async def complete(self, request: LLMRequest) -> LLMResponse:
        """The model's whole answer.

        Raises:
            LLMError: when there is no usable answer. Its text holds no key.
            RuntimeError: outside of `async with`.

        Cancellation: closes the connection at once; nothing is retried.
        """
        ready = self._entered()
        with trio.move_on_after(self.timeout):
            return await self._complete(ready, request)
        raise LLMError(f"{self.name} did not answer within {self.timeout:g} s{self._hints[0]}")

    async def _complete(self, ready: _Ready, request: LLMRequest) -> LLMResponse:
        dialect = ready.dialect
        while True:
            question = dialect.question(request, stream=False)
            try:
                body = await ready.wire.whole(ready.ask(question), model=dialect.model)
            except ProviderFailed as exc:
                if not dialect.give_in(exc, request, question):
                    raise
            else:
                draft = dialect.read(body, request)
                return draft.finished(request, dialect.endpoint, dialect.model)

    @asynccontextmanager
    async def stream(self, request: LLMRequest) -> AsyncGenerator[LLMStream]:
        """`async with llm.stream(request) as answer:` — the answer while it comes.

        Entering waits for it to begin. Leaving closes the connection, unless the answer is
        over, so that nothing more of it is made or paid for.

        Raises:
            LLMError: when there is no usable answer, or it breaks off. Its text holds no key.
            RuntimeError: outside of `async with`.

        Cancellation: closes the connection at once; nothing is retried.
        """
        ready = self._entered()
        late = f"{self.name} did not begin to answer within {self.first_piece_timeout:g} s"
        late += self._hints[1]
        body, began = None, trio.current_time()
        with trio.move_on_after(self.first_piece_timeout):
            body = await self._begin(ready, request)
        if body is None:
            raise LLMError(late)
        async with body:
            yield _Answer(
                dialect=ready.dialect,
                body=body,
                request=request,
                patience=self.first_piece_timeout - (trio.current_time() - began),
                late=late,
                piece_timeout=self.piece_timeout,
            )

    async def _begin(self, ready: _Ready, request: LLMRequest) -> Body:
        dialect = ready.dialect
        while True:
            question = dialect.question(request, stream=True)
            try:
                body = await ready.wire.begun(ready.ask(question), model=dialect.model)
            except ProviderFailed as exc:
                if not dialect.give_in(exc, request, question):
                    raise
            else:
                if not body.is_event_stream:
                    async with body:
                        raise dialect.endpoint.not_the_format()
                return body

    def _entered(self) -> _Ready:
        if self._ready is None:
            raise RuntimeError(f"{type(self).__name__} answers inside of `async with` only")
        return self._ready


@define(kw_only=True)
class _Answer:
    """A `LLMStream`; no generator, so that it can be left at any point."""

    dialect: Dialect
    body: Body
    request: LLMRequest
    patience: float
    """Seconds for what comes next."""
    late: str
    """What to say when it does not come in time."""
    piece_timeout: float
    _decoder: EventDecoder = field(init=False, factory=EventDecoder)
    _draft: Draft = field(init=False, factory=Draft)
    _pieces: deque[str] = field(init=False, factory=deque[str])
    _response: LLMResponse | None = field(init=False, default=None)
    _done: bool = field(init=False, default=False)

    @property
    def response(self) -> LLMResponse:
        """The whole answer; see `LLMStream.response`."""
        if self._response is None:
            raise RuntimeError("the answer is not over yet: iterate over it to its end")
        return self._response

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        await trio.lowlevel.checkpoint()
        if self._done and not self._pieces:
            raise StopAsyncIteration
        self._done = True  # after whatever is raised here nothing more comes
        while not self._pieces and not self._draft.over:
            await self._read_in_time()
        if self._pieces:
            self._done = False
            return self._pieces.popleft()
        self._response = self._draft.finished(
            self.request, self.dialect.endpoint, self.dialect.model
        )
        raise StopAsyncIteration

    async def _read_in_time(self) -> None:
        with trio.move_on_after(max(0.0, self.patience)) as scope:
            while not await self._read():
                pass
        if scope.cancelled_caught:
            raise LLMError(self.late)
        self.patience = self.piece_timeout
        name = self.dialect.endpoint.name(self.dialect.model)
        self.late = f"{name} said nothing for {self.patience:g} s in the middle of its answer"

    async def _read(self) -> bool:
        """Take what comes next; whether that brought the answer on."""
        chunk = await self.body.chunk()
        if chunk is None:
            if self._draft.ending is None:
                raise self.dialect.endpoint.broke_off(
                    self.dialect.model, "the stream ended without an end marker"
                )
            self._draft.over = True
            return True
        moved = False
        try:
            for event in self._decoder.feed(chunk):
                piece = self.dialect.take(event, self._draft, self.request)
                moved = moved or piece is not None
                if piece:
                    self._pieces.append(piece)
                if self._draft.over:
                    self.body.wanted = False
                    return True
        except StreamTooLarge:
            raise self.dialect.endpoint.not_the_format() from None
        return moved


async def _import_sdk(provider: str) -> _SDKModule:
    name = f"{__name__.removesuffix('.providers.client')}.{provider}.sdk"
    if name in sys.modules:
        await trio.lowlevel.checkpoint()
    else:
        await trio.to_thread.run_sync(_import, name, provider)
    return cast("_SDKModule", sys.modules[name])


def _import(name: str, provider: str) -> None:
    """Import what needs an SDK: that takes a second or two, and tens of megabytes."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] != provider:
            raise
        raise LLMError(
            f"the {provider} package is not installed; run: pip install 'trio_agent_rt[{provider}]'"
        ) from None
