"""OpenAI's chat format: its JSON, and what servers make of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from attrs import define, evolve, field, frozen

from ...agent.llm import ChatMessage, LLMRequest, Usage
from ..providers.dialect import Dialect
from ..providers.draft import Draft, DraftToolUse, Ending
from ..providers.endpoint import ProviderFailed
from ..providers.sse import WireEvent

__all__ = ["ChatFormat"]

_log = logging.getLogger(__name__)

_END = "[DONE]"
_FORMATS = ("json_schema", "json_object", "text")
"""How an answer can be made to follow a schema, best first."""

_MOST = 1000
"""Of any count in a schema that is sent. llama.cpp compiles a schema to a grammar: counts from
2000 on make it refuse that, and some of its versions crash."""

_COUNTS = {"maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"}
_DATA = {"default", "const", "enum", "examples"}
"""What stands there is no schema."""

_MAX_DEPTH = 40
"""Of a schema that is looked through."""

_MAX_REFUSED = 100
"""Schemas that are remembered."""

_ENDINGS: dict[str, Ending] = {"length": "length", "content_filter": "filter"}
"""Every other `finish_reason` says that all went well."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    """A text by the format; some servers send the object itself."""


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    """A whole message, or a piece of one."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    """What a model thinks before it answers: servers give one of the two. A sign of life,
    and nothing of the answer."""


class _Choice(msgspec.Struct):
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(msgspec.Struct):
    """A whole answer, or an event of one."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: str | dict[str, Any] | None = None


@frozen(kw_only=True)
class _Ways:
    """What a server has not refused yet."""

    format: int = 0
    """The best of `_FORMATS`."""
    usage_in_streams: bool = True
    max_tokens: str = "max_tokens"
    """OpenAI's newer models refuse this name, other servers know no other."""


@define(kw_only=True)
class ChatFormat(Dialect):
    """`POST /chat/completions`."""

    _ways: _Ways = field(init=False)
    _refused: dict[str, int] = field(init=False, factory=dict[str, int])
    """Schemas that the server cannot compile, and the best of `_FORMATS` for each."""

    def __attrs_post_init__(self) -> None:
        self._ways = _Ways(
            max_tokens="max_completion_tokens" if self.endpoint.own else "max_tokens"
        )

    def question(self, request: LLMRequest, *, stream: bool) -> dict[str, Any]:
        """As `Dialect.question`."""
        ways = self._ways
        messages = [_message(each) for each in request.messages]
        question: dict[str, Any] = {"model": self.model, "messages": messages}
        if stream:
            question["stream"] = True
            if ways.usage_in_streams:
                question["stream_options"] = {"include_usage": True}
        if request.max_tokens is not None:
            # In the body as it is: an SDK that is older than a name refuses it as a parameter.
            question["extra_body"] = {ways.max_tokens: request.max_tokens}
        if request.tools and request.tool_choice != "none":
            question["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": each.name,
                        "description": each.description,
                        "parameters": _compilable(each.parameters),
                    },
                }
                for each in request.tools
            ]
            question["tool_choice"] = request.tool_choice
        if request.schema is not None:
            level = max(ways.format, self._refused.get(_text(request.schema), 0))
            self._demand(request, question, _FORMATS[level])
        return question

    def _demand(self, request: LLMRequest, question: dict[str, Any], form: str) -> None:
        """Have the answer follow the schema."""
        assert request.schema is not None
        if form == "json_schema":
            schema = {"name": request.schema_name, "schema": _compilable(request.schema)}
            question["response_format"] = {"type": form, "json_schema": {**schema, "strict": False}}
            return
        if form == "json_object":
            question["response_format"] = {"type": form}
        wanted = (
            "Answer with one JSON object and nothing else. It must follow this JSON Schema: "
            + _text(request.schema)
        )
        question["messages"].insert(0, {"role": "system", "content": wanted})

    def give_in(
        self, failure: ProviderFailed, request: LLMRequest, question: dict[str, Any]
    ) -> bool:
        """As `Dialect.give_in`: servers know more or less of what OpenAI's does."""
        if failure.status not in (400, 422):
            return False
        said = failure.said.lower()
        ways = self._ways
        form = question.get("response_format", {}).get("type")
        if "stream_options" in question and "stream_options" in said:
            self._ways = evolve(ways, usage_in_streams=False)
        elif "max_tokens" in question.get("extra_body", {}) and "max_completion_tokens" in said:
            self._ways = evolve(ways, max_tokens="max_completion_tokens")
        elif form and any(each in said for each in ("response_format", "json_schema", form)):
            level = _FORMATS.index(form) + 1
            self._ways = evolve(ways, format=max(ways.format, level))
        elif form and request.schema is not None and ("grammar" in said or "schema" in said):
            # It knows schemas, but this one it cannot enforce.
            if len(self._refused) >= _MAX_REFUSED:
                self._refused.clear()
            self._refused[_text(request.schema)] = _FORMATS.index(form) + 1
        else:
            return False
        _log.info("%s is asked in another way: %s", self.endpoint.name(self.model), failure)
        return True

    def read(self, body: bytes, request: LLMRequest) -> Draft:
        """As `Dialect.read`."""
        draft, completion = Draft(), self.decode(body, _Completion)
        if completion.choices is None and completion.error is None:
            raise self.endpoint.not_the_format()
        self._add(completion, draft)
        return draft

    def take(self, event: WireEvent, draft: Draft, request: LLMRequest) -> str | None:
        """As `Dialect.take`."""
        if event.data.strip() == _END:
            if draft.ending is None:
                draft.ending = "end"
            draft.over = True
            return ""
        return self._add(self.decode(event.data, _Completion), draft)

    def _add(self, completion: _Completion, draft: Draft) -> str | None:
        if completion.error is not None:
            raise self.endpoint.reported(self.model, completion.error)
        if completion.usage is not None:
            draft.usage = Usage(
                input_tokens=completion.usage.prompt_tokens or 0,
                output_tokens=completion.usage.completion_tokens or 0,
            )
        choice = completion.choices[0] if completion.choices else None
        if choice is None:
            return None
        message = choice.message or choice.delta or _Message()
        piece = message.content or ""
        if piece:
            draft.text.append(piece)
        if message.refusal:
            draft.refusal.append(message.refusal)
        for call in message.tool_calls or ():
            _add_tool_call(call, draft.tool_uses)
        if choice.finish_reason is not None:
            draft.ending = _ENDINGS.get(choice.finish_reason, "end")
        thought = message.reasoning_content or message.reasoning
        more = message.refusal or message.tool_calls or choice.finish_reason
        return piece if piece or thought or more else None


def _add_tool_call(call: _ToolCall, uses: list[DraftToolUse]) -> None:
    """Add a tool call, or a piece of one.

    Pieces say by `index` which they are of. Servers that send each call in one piece leave
    it out, or say 0 every time: there a new id, or a name, begins a new call.
    """
    function = call.function or _Function()
    of = [each for each in uses if call.index is None or each.index == call.index][-1:]
    if of and call.id and call.id != of[0].id:
        of = []
    if of and call.index is None and function.name:
        of = []
    if not of:
        number = len(uses) + 1
        of = [DraftToolUse(call.id or f"call_{number}", function.name or "", index=call.index)]
        uses += of
    arguments = function.arguments
    if isinstance(arguments, dict):
        arguments = json.dumps(arguments, ensure_ascii=False)
    if arguments:
        of[0].arguments.append(arguments)


def _text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False)


def _compilable(schema: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """A schema without counts that are too high to be compiled; nobody reaches those."""
    rules: dict[str, Any] = {}
    for name, rule in schema.items():
        if name in _COUNTS and isinstance(rule, int) and rule > _MOST:
            continue
        rules[name] = rule if name in _DATA else _inside(rule, depth + 1)
    return rules


def _inside(rule: object, depth: int) -> object:
    if depth > _MAX_DEPTH:
        return rule
    if isinstance(rule, Mapping):
        return _compilable(cast("Mapping[str, Any]", rule), depth)
    if isinstance(rule, list):
        return [_inside(each, depth + 1) for each in cast("list[object]", rule)]
    return rule


def _message(message: ChatMessage) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.role == "tool":
        shown["tool_call_id"] = message.tool_use_id
    if message.tool_uses:
        shown["tool_calls"] = [
            {
                "id": each.id,
                "type": "function",
                "function": {
                    "name": each.name,
                    "arguments": json.dumps(dict(each.arguments), ensure_ascii=False),
                },
            }
            for each in message.tool_uses
        ]
    return shown
