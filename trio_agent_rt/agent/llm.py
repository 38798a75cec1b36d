"""What a planner needs of a language model, and no more.

The clients themselves live in `trio_agent_rt.llm`; an agent knows this protocol alone,
so that any object with these two members will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

from attrs import field, frozen

from ..protocol import ToolInfo

__all__ = ["ChatMessage", "LLMClient", "LLMRequest", "LLMResponse", "Purpose", "Usage"]

Purpose: TypeAlias = Literal["plan", "summary", "text"]
"""What an answer is for: a plan of steps, the closing words of a task, or free text."""


@frozen(kw_only=True)
class ChatMessage:
    """One turn of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


@frozen(kw_only=True)
class LLMRequest:
    """One question to a model.

    Args:
        messages: the conversation, oldest first; the last is what is asked now.
        purpose: what the answer is for. Models ignore it; the offline client, which
            follows rules, needs to know.
        schema: the JSON Schema that the answer must follow, or None for plain text.
        schema_name: a short name of that schema, as some providers demand.
        tools: what the agent can run, for a plan.
        max_tokens: the most tokens to answer with, or None for the provider's limit.
    """

    messages: Sequence[ChatMessage]
    purpose: Purpose = "text"
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    tools: Sequence[ToolInfo] = ()
    max_tokens: int | None = None


@frozen(kw_only=True)
class Usage:
    """How many tokens a request took."""

    input_tokens: int = 0
    output_tokens: int = 0


@frozen(kw_only=True)
class LLMResponse:
    """A model's answer. With a schema, `text` is JSON that the model claims to follow it."""

    text: str
    usage: Usage = field(factory=Usage)


class LLMClient(Protocol):
    """Something that answers an `LLMRequest`."""

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
