"""An answer while it is put together, whole or piece by piece."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from attrs import define, field

from ...agent.llm import LLMRequest, LLMResponse, ToolUse, Usage
from ...errors import LLMError
from .endpoint import Endpoint

__all__ = ["Draft", "DraftToolUse", "Ending"]

Ending: TypeAlias = Literal["end", "length", "filter"]
"""Why a provider says that an answer is over; for tools that are to be run too it is `end`."""

_MAX_SHOWN_CHARS = 100


@define
class DraftToolUse:
    """A wish for a tool whose arguments may still be coming."""

    id: str
    name: str
    arguments: list[str] = field(factory=list[str])
    """Pieces of JSON."""
    index: int | None = None
    """By which the provider says what a piece belongs to."""


@define(kw_only=True)
class Draft:
    """What has come of an answer."""

    text: list[str] = field(factory=list[str])
    tool_uses: list[DraftToolUse] = field(factory=list[DraftToolUse])
    refusal: list[str] = field(factory=list[str])
    ending: Ending | None = None
    """None until the provider has said why it is over."""
    over: bool = False
    """Whether the end of the stream has come."""
    usage: Usage = field(factory=Usage)

    def finished(self, request: LLMRequest, endpoint: Endpoint, model: str) -> LLMResponse:
        """The answer, once nothing more comes.

        Raises:
            LLMError: when it is none that can be used.
        """
        name, text = endpoint.name(model), "".join(self.text)
        if self.refusal:
            raise endpoint.refused(model, "".join(self.refusal))
        if self.ending == "filter":
            raise endpoint.filtered(model)
        cut = self.ending == "length"
        uses = [] if request.tool_choice == "none" else self.tool_uses
        if cut and not uses and not text.strip():
            raise LLMError(f"{name} ran out of tokens before it said anything")
        if cut and (uses or request.schema is not None):
            raise LLMError(f"{name} was cut off before its answer was complete (max_tokens)")
        if not uses and not text.strip():
            raise LLMError(f"{name} gave an empty answer")
        if not uses and request.tool_choice == "required" and request.schema is None:
            raise LLMError(f"{name} was to use a tool, and used none")
        return LLMResponse(
            text=text,
            usage=self.usage,
            tool_uses=tuple(_tool_use(each, endpoint, name) for each in uses),
            stop_reason="length" if cut else "tool_use" if uses else "end",
        )


def _tool_use(draft: DraftToolUse, endpoint: Endpoint, name: str) -> ToolUse:
    written = "".join(draft.arguments)
    try:
        arguments = msgspec.json.decode(written or "{}", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        shown = endpoint.safe(written)[:_MAX_SHOWN_CHARS]
        raise LLMError(
            f"{name} wants to run {draft.name!r} with arguments that are no JSON object: {shown}"
        ) from None
    return ToolUse(id=draft.id, name=draft.name, arguments=arguments)
