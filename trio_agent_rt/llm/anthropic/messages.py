"""Anthropic's Messages format: its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from attrs import define

from ...agent.llm import ChatMessage, LLMRequest, Usage
from ..providers.dialect import Dialect
from ..providers.draft import Draft, DraftToolUse, Ending
from ..providers.endpoint import ProviderFailed
from ..providers.sse import WireEvent

__all__ = ["MessagesFormat"]

_ENDINGS: dict[str, Ending] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "filter",
}
"""Every other `stop_reason` says that all went well."""


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None


class _Block(msgspec.Struct):
    """A part of an answer: of the type `text`, `tool_use`, or one that is of no interest."""

    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: Any = None


class _Message(msgspec.Struct):
    content: list[_Block]
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    """An event of a stream, of any type."""

    type: str
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: str | dict[str, Any] | None = None


@define(kw_only=True)
class MessagesFormat(Dialect):
    """`POST /v1/messages`."""

    max_tokens: int

    def question(self, request: LLMRequest, *, stream: bool) -> dict[str, Any]:
        """As `Dialect.question`."""
        system = [each.content for each in request.messages if each.role == "system"]
        question: dict[str, Any] = {
            "model": self.model,
            "max_tokens": request.max_tokens or self.max_tokens,
            "messages": _turns(request.messages),
        }
        if system:
            question["system"] = "\n\n".join(system)
        if stream:
            question["stream"] = True
        tools, choice = _tools(request)
        if tools:
            question |= {"tools": tools, "tool_choice": choice}
        return question

    def give_in(
        self, failure: ProviderFailed, request: LLMRequest, question: dict[str, Any]
    ) -> bool:
        """As `Dialect.give_in`: nothing of a question is more than the API has always had."""
        return False

    def read(self, body: bytes, request: LLMRequest) -> Draft:
        """As `Dialect.read`."""
        draft, message = Draft(), self.decode(body, _Message)
        _count(message.usage, draft)
        for block in message.content:
            _begin(block, draft)
        _end(message.stop_reason or "end_turn", draft, request)
        return draft

    def take(self, event: WireEvent, draft: Draft, request: LLMRequest) -> str | None:
        """As `Dialect.take`."""
        said = self.decode(event.data, _Event)
        delta = said.delta or _Delta()
        match said.type:
            case "message_start" if said.message is not None:
                _count(said.message.usage, draft)
                return None
            case "content_block_start" if said.content_block is not None:
                return self._shown(_begin(said.content_block, draft), request)
            case "content_block_delta" if delta.type == "text_delta":
                draft.text.append(delta.text)
                return self._shown(delta.text, request)
            case "content_block_delta" if delta.type == "input_json_delta" and draft.tool_uses:
                use = draft.tool_uses[-1]
                use.arguments.append(delta.partial_json)
                return delta.partial_json if use.name == _answer_tool(request) else ""
            case "content_block_delta":
                return ""  # thinking, citations, …
            case "message_delta":
                _count(said.usage, draft)
                return _end(delta.stop_reason, draft, request)
            case "message_stop":
                draft.over = True
                return _end("end_turn", draft, request)
            case "error":
                raise self.endpoint.reported(self.model, said.error)
            case _:
                return None  # ping, content_block_stop, and what the future brings

    @staticmethod
    def _shown(text: str, request: LLMRequest) -> str:
        """Text beside an answer that follows a schema is none of it."""
        return "" if _answer_tool(request) else text


def _answer_tool(request: LLMRequest) -> str | None:
    """The name of the tool whose input is to be the answer, if there is a schema."""
    if request.schema is None:
        return None
    taken = {each.name for each in request.tools}
    return f"{request.schema_name}_" if request.schema_name in taken else request.schema_name


def _tools(request: LLMRequest) -> tuple[list[dict[str, Any]], dict[str, str]]:
    tools = [
        {
            "name": each.name,
            "description": each.description,
            "input_schema": dict(each.parameters),
        }
        for each in request.tools
    ]
    usable = request.tool_choice != "none"
    # The API wants to know the tools that a conversation speaks of, also when it is over.
    if not usable and not any(each.tool_uses for each in request.messages):
        tools = []
    if request.schema is not None:
        name = _answer_tool(request) or ""
        tools.append(
            {
                "name": name,
                "description": "Gives your answer.",
                "input_schema": dict(request.schema),
            }
        )
        return tools, {"type": "any"} if usable else {"type": "tool", "name": name}
    kinds = {"none": "none", "auto": "auto", "required": "any"}
    return tools, {"type": kinds[request.tool_choice]}


def _turns(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """The conversation; what follows each other in one role is one turn.

    The API wants all answers to the tools of one turn in the next, before anything else.
    """
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"].extend(_blocks(message))
    return [each for each in turns if each["content"]]


def _blocks(message: ChatMessage) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield {
            "type": "tool_result",
            "tool_use_id": message.tool_use_id,
            "content": message.content,
        }
        return
    if message.content.strip():  # an empty text is refused
        yield {"type": "text", "text": message.content}
    for each in message.tool_uses:
        yield {"type": "tool_use", "id": each.id, "name": each.name, "input": dict(each.arguments)}


def _begin(block: _Block, draft: Draft) -> str:
    """Add a block that is whole, or begins; the text in it."""
    if block.type == "text":
        draft.text.append(block.text)
        return block.text
    if block.type == "tool_use":
        # At the beginning of one in a stream the input is empty.
        whole = [json.dumps(block.input, ensure_ascii=False)] if block.input else []
        draft.tool_uses.append(DraftToolUse(block.id, block.name, whole))
    return ""


def _end(reason: str | None, draft: Draft, request: LLMRequest) -> str:
    """Note why it is over, once; the input of the answer's tool is the text now.

    Returns:
        The text that was held back for that, if that tool was not used.
    """
    if reason is None or draft.ending is not None:
        return ""
    draft.ending = _ENDINGS.get(reason, "end")
    name = _answer_tool(request)
    if name is None:
        return ""
    used = [each for each in draft.tool_uses if each.name == name]
    draft.tool_uses = [each for each in draft.tool_uses if each.name != name]
    if not used:
        return "".join(draft.text)
    draft.text = used[0].arguments
    return ""


def _count(usage: _Usage | None, draft: Draft) -> None:
    """What is said later counts; a field that is left out stays as it was."""
    if usage is None:
        return
    sent = (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
    draft.usage = Usage(
        input_tokens=sum(each or 0 for each in sent) or draft.usage.input_tokens,
        output_tokens=usage.output_tokens or draft.usage.output_tokens,
    )
