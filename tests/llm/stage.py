"""Both providers' clients, each with a server that speaks its format."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import frozen

from trio_agent_rt.agent import ChatMessage, LLMRequest, LLMResponse
from trio_agent_rt.errors import LLMError
from trio_agent_rt.llm import AnthropicClient, LLMClient, OpenAIClient
from trio_agent_rt.protocol import ToolInfo

from .anthropic_server import ANTHROPIC
from .openai_server import OPENAI
from .provider_server import ProviderServer, ServerFormat, provider_server

__all__ = [
    "KEY",
    "PLAN",
    "PROVIDERS",
    "QUESTION",
    "SCHEMA",
    "TOOLS",
    "Stage",
    "error_of",
    "open_stage",
    "streamed",
]

KEY = "sk-very-secret-0123456789"
MODEL = "some-model"
SCHEMA = {"type": "object", "properties": {"steps": {"type": "array"}}}
TOOLS = [
    ToolInfo(
        name=name,
        description=f"Does {name}.",
        category="general",
        parameters={"type": "object", "properties": {"path": {"type": "string"}}},
        cancellation="async",
    )
    for name in ("file_read", "wait")
]
QUESTION = LLMRequest(
    messages=[
        ChatMessage(role="system", content="Be brief."),
        ChatMessage(role="user", content="Say 你好."),
    ]
)
PLAN = LLMRequest(
    messages=[ChatMessage(role="user", content="Plan.")],
    purpose="plan",
    schema=SCHEMA,
    schema_name="plan",
)


@frozen
class Kind:
    """One provider."""

    name: str
    title: str
    format: ServerFormat
    client: type[OpenAIClient | AnthropicClient]


PROVIDERS = {
    "openai": Kind("openai", "OpenAI", OPENAI, OpenAIClient),
    "anthropic": Kind("anthropic", "Anthropic", ANTHROPIC, AnthropicClient),
}


@frozen
class Stage:
    """One provider's server, and clients for it."""

    kind: Kind
    server: ProviderServer

    @property
    def format(self) -> ServerFormat:
        return self.kind.format

    @property
    def host(self) -> str:
        return self.server.url.removeprefix("http://").removesuffix(self.format.client_base)

    @property
    def key_sent(self) -> str:
        """The key of the first question, in either of the headers that SDKs have for it."""
        headers = self.server.headers[0]
        return headers.get("x-api-key") or headers["authorization"].removeprefix("Bearer ")

    @property
    def name(self) -> str:
        return f"{self.kind.name}:{MODEL}"

    def client(self, **options: Any) -> OpenAIClient | AnthropicClient:
        usual = {"api_key": KEY, "base_url": self.server.url, "model": MODEL, "max_retries": 0}
        return self.kind.client(**usual | options)


@asynccontextmanager
async def open_stage(kind: Kind) -> AsyncIterator[Stage]:
    async with provider_server(kind.format) as server:
        yield Stage(kind, server)


async def streamed(llm: LLMClient, request: LLMRequest = QUESTION) -> tuple[list[str], LLMResponse]:
    """The pieces of an answer, and all of it."""
    async with llm.stream(request) as answer:
        pieces = [each async for each in answer]
        return pieces, answer.response


async def error_of(
    llm: OpenAIClient | AnthropicClient, request: LLMRequest = QUESTION, *, stream: bool = False
) -> str:
    """The sentence with which a request fails."""
    with trio.fail_after(20), pytest.raises(LLMError) as caught:
        async with llm:
            if stream:
                await streamed(llm, request)
            else:
                await llm.complete(request)
    shown: BaseException | None = caught.value
    while shown is not None:  # nor does anything that a traceback would show
        assert KEY not in f"{shown!s} {shown!r} {vars(shown)}"
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    assert "\n" not in str(caught.value)
    return str(caught.value)
