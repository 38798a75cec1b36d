"""The model that says what it was told to."""

from __future__ import annotations

import json

import pytest

from trio_agent_rt.agent import ChatMessage, LLMRequest, LLMResponse, ToolUse
from trio_agent_rt.errors import LLMError
from trio_agent_rt.testing import ScriptedLLM


async def test_a_script_that_is_over_says_so() -> None:
    llm = ScriptedLLM("one", {"two": 2}, name="oracle")
    request = LLMRequest(messages=[ChatMessage(role="user", content="?")])
    assert await llm.complete(request) == LLMResponse(text="one")
    assert json.loads((await llm.complete(request)).text) == {"two": 2}
    with pytest.raises(LLMError, match="oracle has no answer left"):
        await llm.complete(request)
    assert llm.requests == [request] * 3


async def test_it_streams_word_by_word_and_tells_the_whole_at_the_end() -> None:
    wanted = LLMResponse(text="one  two\n三", tool_uses=[ToolUse(id="1", name="wait")])
    request = LLMRequest(messages=[ChatMessage(role="user", content="?")])
    async with ScriptedLLM(wanted).stream(request) as answer:
        with pytest.raises(RuntimeError, match="not over"):
            _ = answer.response
        assert [each async for each in answer] == ["one  ", "two\n", "三"]
        assert answer.response == wanted
