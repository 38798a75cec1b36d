"""A model is told no secrets, however much it is told."""

from __future__ import annotations

import pytest
import trio

from trio_agent_rt import RedactedLLM
from trio_agent_rt.agent import ChatMessage, LLMRequest
from trio_agent_rt.events import Redaction
from trio_agent_rt.testing import ScriptedLLM

SECRET = "a-secret-of-some-length"


@pytest.mark.parametrize("before", range(65_536 - len(SECRET) - 1, 65_536 + 2))
async def test_a_secret_is_masked_wherever_it_stands_in_a_long_text(before: int) -> None:
    text = "x" * before + SECRET + "y" * 70_000
    assert await _told(text) == text.replace(SECRET, "[KEY]")


async def test_others_have_their_turns_while_a_giant_text_is_read() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await _told("%41 " * 500_000)
        nursery.cancel_scope.cancel()
    assert turns > 20


async def _told(text: str) -> str:
    model = ScriptedLLM("yes")
    llm = RedactedLLM(model, Redaction({SECRET: "KEY"}))
    await llm.complete(LLMRequest(messages=[ChatMessage(role="user", content=text)]))
    (request,) = model.requests
    return request.messages[0].content
