"""A language model that says what it was told to, for tests of agents."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import trio
from attrs import define, field

from ..agent import LLMRequest, LLMResponse, LLMStream
from ..errors import LLMError

__all__ = ["ScriptedAnswer", "ScriptedLLM"]

ScriptedAnswer: TypeAlias = (
    str
    | Mapping[str, Any]
    | LLMResponse
    | Exception
    | Callable[[LLMRequest], Awaitable[str | LLMResponse]]
)
"""A text; a mapping, which is answered as JSON; a whole response, with tools that the model
wants to have run for example; an exception, which is raised; or an async function that is
given the request and returns a text or a response."""

_WORDS = re.compile(r"\S*\s*")


class ScriptedLLM:
    """An `LLMClient` that gives prepared answers, one per request, in order.

    ```python
    step = {"id": "a", "tool": "wait", "arguments": {"seconds": 1}}
    agent = create_agent(llm=ScriptedLLM({"steps": [step]}, "All done."), tools=default_tools())
    ```

    A request beyond the last answer raises `LLMError`: a planning agent then goes
    without a summary, so that a script may consist of a plan alone.

    Args:
        answers: what it says.
        name: what it is called in messages to people.
    """

    def __init__(self, *answers: ScriptedAnswer, name: str = "scripted") -> None:
        self.requests: list[LLMRequest] = []
        """What it was asked, oldest first."""
        self._answers = list(answers)
        self._name = name

    @property
    def name(self) -> str:
        """What it is called in messages to people."""
        return self._name

    async def complete(self, request: LLMRequest) -> LLMResponse:
        """The next answer.

        Raises:
            LLMError: when there is none left.

        Cancellation: safe; the answer has been used up.
        """
        self.requests.append(request)
        await trio.lowlevel.checkpoint()
        if not self._answers:
            raise LLMError(f"{self._name} has no answer left")
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = await answer(request)
        if isinstance(answer, LLMResponse):
            return answer
        return LLMResponse(text=answer if isinstance(answer, str) else json.dumps(answer))

    @asynccontextmanager
    async def stream(self, request: LLMRequest) -> AsyncGenerator[LLMStream]:
        """The next answer, word by word, with a checkpoint before each; see `complete`."""
        yield _WordByWord(await self.complete(request))


@define
class _WordByWord:
    """An answer that takes its time."""

    _whole: LLMResponse
    _over: bool = field(init=False, default=False)

    async def __aiter__(self) -> AsyncGenerator[str]:
        for each in _WORDS.findall(self._whole.text):
            await trio.lowlevel.checkpoint()
            if each:
                yield each
        self._over = True

    @property
    def response(self) -> LLMResponse:
        """The whole answer."""
        if not self._over:
            raise RuntimeError("the answer is not over yet: iterate over it to its end")
        return self._whole
