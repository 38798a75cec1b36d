"""OpenAI, and every server that speaks its chat format.

The SDK is the extra `trio_agent_rt[openai]`. Importing it takes about a second and tens
of megabytes, so the half that needs it, `openai_chat`, is imported when a client is first
entered, in a thread.
"""

from __future__ import annotations

import importlib
import os
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import urlsplit

import trio

from ..agent.llm import LLMRequest, LLMResponse, WholeAnswers
from ..errors import LLMError

if TYPE_CHECKING:
    from .openai_chat import Chat

__all__ = ["DEFAULT_MODEL", "OpenAIClient"]

DEFAULT_MODEL = "gpt-4o-mini"
"""Small, cheap, and it follows a JSON Schema."""

_CLOSE_TIMEOUT = 2.0
"""Seconds for closing idle connections; there is nothing to lose in them."""


class OpenAIClient(WholeAnswers):
    """An `LLMClient` that asks OpenAI, or a server that speaks the same format.

    Use it as `async with OpenAIClient() as llm`. Leaving closes its connections.

    Args:
        api_key: the key, or None for the environment's `OPENAI_API_KEY`.
        base_url: where the API is, or None for the environment's `OPENAI_BASE_URL` and,
            without it, OpenAI.
        model: which model answers.
        timeout: seconds for a whole answer, retries included.
        max_retries: how often a refused connection, a rate limit or an error of the
            server's is tried again, with growing delays.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        model: str = DEFAULT_MODEL,
        timeout: float = 60.0,
        max_retries: int = 2,
    ) -> None:
        if not timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {timeout}")
        if max_retries < 0:
            raise ValueError(f"max_retries must be 0 or more, not {max_retries}")
        self.model = model
        self.timeout = timeout
        self.max_retries = max_retries
        self._api_key = api_key
        self._base_url = base_url
        self._chat: Chat | None = None

    @property
    def name(self) -> str:
        """`openai:` and the model."""
        return f"openai:{self.model}"

    def __repr__(self) -> str:
        return f"OpenAIClient(model={self.model!r})"

    async def __aenter__(self) -> Self:
        """Make it ready; nothing is sent yet.

        Raises:
            LLMError: when the package or the key is missing, or the address is none.
        """
        key = _checked_key(self._api_key or os.environ.get("OPENAI_API_KEY") or "")
        url = _checked_url(self._base_url or os.environ.get("OPENAI_BASE_URL") or "")
        kind = await trio.to_thread.run_sync(_import_chat)
        self._chat = kind(
            name=self.name,
            model=self.model,
            api_key=key,
            base_url=url,
            timeout=self.timeout,
            max_retries=self.max_retries,
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        chat, self._chat = self._chat, None
        if chat is not None:
            with trio.move_on_after(_CLOSE_TIMEOUT, shield=True):
                await chat.aclose()

    async def complete(self, request: LLMRequest) -> LLMResponse:
        """The model's whole answer.

        With a schema the server is asked to enforce it; where it refuses, JSON is asked
        for with the schema in words.

        Raises:
            LLMError: when there is no usable answer. Its text holds no key.
            RuntimeError: outside of `async with`.

        Cancellation: closes the connection at once; nothing is retried.
        """
        if self._chat is None:
            raise RuntimeError("OpenAIClient answers inside of `async with` only")
        with trio.move_on_after(self.timeout):
            return await self._chat.complete(request)
        raise LLMError(f"{self.name} did not answer within {self.timeout:g} s")


def _import_chat() -> type[Chat]:
    try:
        module = importlib.import_module(".openai_chat", __package__)
    except ModuleNotFoundError:
        raise LLMError(
            "the openai package is not installed; run: pip install 'trio_agent_rt[openai]'"
        ) from None
    return cast("type[Chat]", module.Chat)


def _checked_key(key: str) -> str:
    key = key.strip()
    if not key:
        raise LLMError(
            "no OpenAI API key: set OPENAI_API_KEY or give api_key "
            "(any word will do for a server of your own that needs none)"
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise LLMError("the OpenAI API key holds characters that no key has")
    return key


def _checked_url(url: str) -> str | None:
    url = url.strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises for a port that is none
    except ValueError:
        usable = False
    if not usable:
        raise LLMError("the base URL of the API must look like https://host/v1")
    return url
