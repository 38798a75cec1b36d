"""A model that is told no secrets."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import trio

from ...events import Redaction
from ..llm import ChatMessage, LLMClient, LLMRequest, LLMResponse, LLMStream
from ..run import TaskRun

__all__ = ["RedactedLLM", "redacted_for"]

_SLICE = 65_536
"""Characters that are masked at a time: others have a turn in between."""


@attrs.frozen
class RedactedLLM:
    """An `LLMClient` that masks what it is asked, and hands it on.

    Args:
        llm: who answers; whoever has opened it closes it.
        redaction: what it is not told.
    """

    llm: LLMClient
    redaction: Redaction

    @property
    def name(self) -> str:
        """That of the model."""
        return self.llm.name

    async def complete(self, request: LLMRequest) -> LLMResponse:
        """The whole answer; see `LLMClient.complete`."""
        return await self.llm.complete(await self._masked(request))

    @asynccontextmanager
    async def stream(self, request: LLMRequest) -> AsyncGenerator[LLMStream]:
        """The answer while it comes; see `LLMClient.stream`."""
        async with self.llm.stream(await self._masked(request)) as answer:
            yield answer

    async def _masked(self, request: LLMRequest) -> LLMRequest:
        await trio.lowlevel.checkpoint()
        if not self.redaction:
            return request
        return attrs.evolve(
            request,
            messages=[await self._message(each) for each in request.messages],
            schema=self.redaction.value(request.schema),
            tools=[
                attrs.evolve(
                    each,
                    description=self.redaction.text(each.description),
                    parameters=self.redaction.value(each.parameters),
                )
                for each in request.tools
            ],
        )

    async def _message(self, message: ChatMessage) -> ChatMessage:
        uses = [
            attrs.evolve(each, arguments=self.redaction.value(each.arguments))
            for each in message.tool_uses
        ]
        content = await self._content(message.content)
        return attrs.evolve(message, content=content, tool_uses=uses)

    async def _content(self, text: str) -> str:
        """It may be megabytes of somebody's page: reading those takes seconds."""
        pieces: list[str] = []
        held = ""
        for start in range(0, len(text), _SLICE):
            if start:
                await trio.lowlevel.checkpoint()
            masked = self.redaction.text(held + text[start : start + _SLICE])
            # What may be the beginning of a secret is read again with what follows it.
            clear = len(masked) - self.redaction.held_back(masked)
            pieces.append(masked[:clear])
            held = masked[clear:]
        return "".join([*pieces, held])


def redacted_for(run: TaskRun, llm: LLMClient) -> LLMClient:
    """A model as a task may ask it: told nothing that its viewers are not shown."""
    hidden = run.redaction
    if not hidden or (isinstance(llm, RedactedLLM) and llm.redaction is hidden):
        return llm
    return RedactedLLM(llm, hidden)
