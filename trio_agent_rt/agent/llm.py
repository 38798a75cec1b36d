"""What an agent needs of a language model, and no more.

The clients themselves live in `trio_agent_rt.llm`; an agent knows this protocol alone,
so that any object with these three members will do.

```
 LLMRequest ──complete──▶ LLMResponse
     │
     └──stream──▶ LLMStream: pieces of text as they come, then its LLMResponse
```
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal, Protocol, TypeAlias

from attrs import field, frozen

from ..protocol import ToolInfo, Usage

__all__ = [
    "ChatMessage",
    "LLMClient",
    "LLMRequest",
    "LLMResponse",
    "LLMStream",
    "Purpose",
    "StopReason",
    "ToolUse",
    "Usage",
    "WholeAnswers",
]

Purpose: TypeAlias = Literal["plan", "replan", "summary", "text"]
"""What an answer is for: a plan of steps; another plan, because one was invalid or a step of
it has failed; the closing words of a task; or free text."""

StopReason: TypeAlias = Literal["end", "length", "tool_use"]
"""Why a model stopped: it was done, it ran out of tokens, or it wants tools to be run."""


@frozen(kw_only=True)
class ToolUse:
    """A model's wish to have a tool run.

    Args:
        id: by which the answer to it is known.
        name: of the tool, as the model wrote it; there may be none of that name.
        arguments: what to give it, as the model wrote them: a JSON object, unchecked.
    """

    id: str
    name: str
    arguments: Mapping[str, Any] = field(factory=dict[str, Any])


@frozen(kw_only=True)
class ChatMessage:
    """One turn of a conversation with a model.

    Args:
        role: who speaks; `tool` is the answer to one `ToolUse`.
        content: the text.
        tool_uses: what the assistant wanted to have run in this turn.
        tool_use_id: for `tool`, which `ToolUse` it answers.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_uses: Sequence[ToolUse] = ()
    tool_use_id: str | None = None


@frozen(kw_only=True)
class LLMRequest:
    """One question to a model.

    Args:
        messages: the conversation, oldest first; the last is what is asked now.
        purpose: what the answer is for. Models ignore it; the offline client, which
            follows rules, needs to know.
        schema: the JSON Schema that the answer must follow, or None for plain text.
        schema_name: a short name of that schema, as some providers demand.
        tools: what the agent can run. For a plan they are named in the messages too.
        tool_choice: whether the model may answer with `ToolUse`s: `none` of them, as it
            likes (`auto`), or at least one (`required`).
        max_tokens: the most tokens to answer with, or None for the provider's limit.
    """

    messages: Sequence[ChatMessage]
    purpose: Purpose = "text"
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    tools: Sequence[ToolInfo] = ()
    tool_choice: Literal["none", "auto", "required"] = "none"
    max_tokens: int | None = None


@frozen(kw_only=True)
class LLMResponse:
    """A model's answer.

    Args:
        text: what it said; with a schema, JSON that it claims to follow it.
        usage: the tokens that it took.
        tool_uses: what it wants to have run before it goes on.
        stop_reason: why it stopped.
    """

    text: str
    usage: Usage = field(factory=Usage)
    tool_uses: Sequence[ToolUse] = ()
    stop_reason: StopReason = "end"


class LLMStream(Protocol):
    """An answer while it comes: iterate over it for the pieces of its text."""

    def __aiter__(self) -> AsyncIterator[str]:
        """The pieces, each once; joined they are the answer's text.

        Raises:
            LLMError: when the answer breaks off, or is none that can be used.
        """
        ...

    @property
    def response(self) -> LLMResponse:
        """The whole answer.

        Raises:
            RuntimeError: before the iteration is over.
        """
        ...


class LLMClient(Protocol):
    """Something that answers an `LLMRequest`; `WholeAnswers` is a base for simple ones."""

    @property
    def name(self) -> str:
        """What to call it in messages to people, `openai:gpt-4o-mini` for example."""
        ...

    async def complete(self, request: LLMRequest) -> LLMResponse:
        """The whole answer.

        Raises:
            LLMError: for anything that keeps it from answering; the text helps a person.

        Cancellation: closes the connection to the provider at once; nothing is retried.
        """
        ...

    def stream(self, request: LLMRequest) -> AbstractAsyncContextManager[LLMStream]:
        """`async with llm.stream(request) as answer:` — the answer while it comes.

        Entering waits for the answer to begin. Leaving early closes the connection to
        the provider, so that nothing more of the answer is made or paid for.

        Raises:
            LLMError: as `complete`.

        Cancellation: as `complete`.
        """
        ...


class WholeAnswers(ABC):
    """A base for clients that cannot stream: their answers come in one piece.

    What is derived from it has a `name` and `complete`.
    """

    @abstractmethod
    async def complete(self, request: LLMRequest) -> LLMResponse:
        """The whole answer; see `LLMClient.complete`."""

    @asynccontextmanager
    async def stream(self, request: LLMRequest) -> AsyncGenerator[LLMStream]:
        """The answer as a stream of one piece; see `LLMClient.stream`."""
        yield _OnePiece(await self.complete(request))


@frozen
class _OnePiece:
    """An answer that has come already."""

    response: LLMResponse

    async def __aiter__(self) -> AsyncGenerator[str]:
        if self.response.text:
            yield self.response.text
