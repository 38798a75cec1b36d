"""A step that asks a language model, which may call tools on the way."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import attrs
import msgspec
import trio

from ....errors import LLMError
from ....protocol import to_jsonable
from ...failures import describe_error, is_under_cancel, refusal_in
from ...llm import ChatMessage, LLMRequest, LLMResponse, ToolUse
from ...tool import ToolSet
from ..language import resolve
from ..language.references import shorten, whole_text
from ..plans import LLMStep
from ..plans.arguments import why_not_arguments
from ..prompts import LLM_STEP_PROMPT
from .answers import checked_answer
from .job import Job, Site

__all__ = ["llm_job"]

MAX_ANSWER_CHARS = 1024 * 1024
"""Of one answer: no model writes as much unless something has gone wrong with it."""

MAX_TOOL_CALLS = 50
"""In one attempt of one step, all rounds together."""

_MAX_RESULT_CHARS = 20_000
"""How much of what a tool came to the model is shown."""


def llm_job(step: LLMStep, site: Site, timeout: float) -> Job:
    """The job of a step that asks a model: its output is the answer."""
    prompt = resolve(step.prompt, site.scope)
    text = whole_text(prompt, shorten(step.prompt))

    async def attempt(clock: trio.CancelScope) -> object:
        return await _Conversation(step, site, clock).answer(text)

    return Job(
        attempt=attempt,
        question=site.question(step.name, {"prompt": text}),
        asks=step.need_confirmation,
        timeout=step.timeout or timeout,
        retries=step.max_retries,
    )


@attrs.define
class _Conversation:
    """One attempt."""

    _step: LLMStep
    _site: Site
    _clock: trio.CancelScope
    _messages: list[ChatMessage] = attrs.field(init=False, factory=list[ChatMessage])
    _calls: int = attrs.field(init=False, default=0)
    _streamed: bool = attrs.field(init=False, default=False)

    async def answer(self, prompt: str) -> object:
        self._streamed = self._site.step.retries > 0
        self._messages = [
            ChatMessage(role="system", content=LLM_STEP_PROMPT),
            ChatMessage(role="user", content=prompt),
        ]
        tools = ToolSet([self._site.tools[each] for each in self._step.tools])
        rounds = self._step.max_tool_rounds if tools else 0
        for number in range(rounds + 1):
            response = await self._ask(tools, may_call=number < rounds)
            if not response.tool_uses:
                return checked_answer(response.text, self._step.schema)
            if number == rounds:
                break
            self._messages.append(
                ChatMessage(
                    role="assistant",
                    content=response.text,
                    tool_uses=[
                        each if _is_object(each.arguments) else attrs.evolve(each, arguments={})
                        for each in response.tool_uses
                    ],
                )
            )
            for each in response.tool_uses:
                result = await self._called(each, tools)
                self._messages.append(ChatMessage(role="tool", content=result, tool_use_id=each.id))
        raise LLMError(f"the model still wants tools after {rounds} rounds of them")

    async def _ask(self, tools: ToolSet, *, may_call: bool) -> LLMResponse:
        llm = self._site.llm
        if llm is None:
            raise LLMError("there is no language model to ask")
        request = LLMRequest(
            messages=tuple(self._messages),
            purpose="text",
            schema=self._step.schema,
            tools=tools.infos(),
            tool_choice="auto" if may_call else "none",
        )
        if self._streamed:  # by an attempt or a round before
            self._site.step.output("\n")
            self._streamed = False
        length = 0
        async with llm.stream(request) as answer:
            pieces = aiter(answer)
            async for piece in pieces:
                length += len(piece)
                if length > MAX_ANSWER_CHARS:
                    if isinstance(pieces, AsyncGenerator):
                        await pieces.aclose()
                    raise LLMError(f"the answer has more than {MAX_ANSWER_CHARS:,} characters")
                self._site.step.output(piece)
                self._streamed = True
            response = answer.response
        self._site.run.add_usage(response.usage)
        return response

    async def _called(self, use: ToolUse, tools: ToolSet) -> str:
        """What a tool came to, or why it did not, for the model."""
        self._calls += 1
        if self._calls > MAX_TOOL_CALLS:
            raise LLMError(f"the model called tools more than {MAX_TOOL_CALLS} times")
        if use.name not in tools:
            return f"error: there is no tool {shorten(use.name)!r}; there are: " + ", ".join(
                tools.names
            )
        tool = tools[use.name]
        why_not = why_not_arguments(tool.parameters, use.arguments)
        if why_not is not None and (tool.needs_confirmation or not _is_object(use.arguments)):
            return f"error: {tool.name} {why_not}"
        if tool.needs_confirmation:
            question = self._site.question(tool.name, use.arguments, tool)
            await self._site.ask(question(), tool, use.arguments, self._clock)
        self._site.step.progress(0, f"running {tool.name}")
        try:
            output = await tool.run(self._site.step, use.arguments)
        except Exception as exc:
            refusal = refusal_in(exc)
            if refusal is not None:
                raise refusal from None
            if is_under_cancel():
                raise
            return f"error: {describe_error(exc)}"
        plain: Any = to_jsonable(output, max_chars=_MAX_RESULT_CHARS)
        return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def _is_object(arguments: object) -> bool:
    """Clients that follow no types may give anything."""
    return isinstance(arguments, Mapping)
