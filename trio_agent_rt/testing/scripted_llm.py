"""A language model that says what it was told to, for tests of agents."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import trio

from ..agent import LLMRequest, LLMResponse
from ..errors import LLMError

__all__ = ["ScriptedAnswer", "ScriptedLLM"]

ScriptedAnswer: TypeAlias = (
    str | Mapping[str, Any] | Exception | Callable[[LLMRequest], Awaitable[str]]
)
"""A text; a mapping, which is answered as JSON; an exception, which is raised; or an
async function that is given the request and returns a text."""


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
            return LLMResponse(text=await answer(request))
        return LLMResponse(text=answer if isinstance(answer, str) else json.dumps(answer))
