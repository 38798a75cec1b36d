"""A model that is told no secrets."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import attrs

from ...events import Redaction
from ..llm import ChatMessage, LLMClient, LLMRequest, LLMResponse, LLMStream
from ..run import TaskRun

__all__ = ["RedactedLLM", "redacted_for"]


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
        return await self.llm.complete(self._masked(request))

    def stream(self, request: LLMRequest) -> AbstractAsyncContextManager[LLMStream]:
        """The answer while it comes; see `LLMClient.stream`."""
        return self.llm.stream(self._masked(request))

    def _masked(self, request: LLMRequest) -> LLMRequest:
        if not self.redaction:
            return request
        return attrs.evolve(
            request,
            messages=[self._message(each) for each in request.messages],
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

    def _message(self, message: ChatMessage) -> ChatMessage:
        uses = [
            attrs.evolve(each, arguments=self.redaction.value(each.arguments))
            for each in message.tool_uses
        ]
        content = self.redaction.text(message.content)
        return attrs.evolve(message, content=content, tool_uses=uses)


def redacted_for(run: TaskRun, llm: LLMClient) -> LLMClient:
    """A model as a task may ask it: told nothing that its viewers are not shown."""
    hidden = run.redaction
    if not hidden or (isinstance(llm, RedactedLLM) and llm.redaction is hidden):
        return llm
    return RedactedLLM(llm, hidden)
